// A client of the SPIFFE Workload API, by SPIFFE's own library for Go:
//
//	client all | serve DOMAIN | dial DOMAIN ADDRESS
package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

func must(err error) {
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
}

// Makes each of the five calls, and verifies the token once more with the bundle alone.
func all(ctx context.Context) {
	x509, err := workloadapi.FetchX509Context(ctx)
	must(err)
	fmt.Println("certificate", x509.DefaultSVID().ID)
	authorities, err := workloadapi.FetchX509Bundles(ctx)
	must(err)
	fmt.Println("authorities of domains", authorities.Len())
	token, err := workloadapi.FetchJWTSVID(ctx, jwtsvid.Params{Audience: "db"})
	must(err)
	fmt.Println("token", token.ID, token.Audience)
	keys, err := workloadapi.FetchJWTBundles(ctx)
	must(err)
	offline, err := jwtsvid.ParseAndValidate(token.Marshal(), keys, []string{"db"})
	must(err)
	fmt.Println("verified offline", offline.ID)
	online, err := workloadapi.ValidateJWTSVID(ctx, token.Marshal(), "db")
	must(err)
	fmt.Println("verified by the service", online.ID)
}

func peer(connection *tls.Conn) string {
	return connection.ConnectionState().PeerCertificates[0].URIs[0].String()
}

func serve(source *workloadapi.X509Source, allowed tlsconfig.Authorizer) {
	listener, err := tls.Listen("tcp", "127.0.0.1:0", tlsconfig.MTLSServerConfig(source, source, allowed))
	must(err)
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	for {
		accepted, err := listener.Accept()
		must(err)
		connection := accepted.(*tls.Conn)
		if connection.Handshake() == nil {
			fmt.Fprintf(connection, "hello %s", peer(connection))
		} else {
			fmt.Println("refused")
		}
		connection.Close()
	}
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	if os.Args[1] == "all" {
		all(ctx)
		return
	}
	source, err := workloadapi.NewX509Source(ctx)
	must(err)
	defer source.Close()
	allowed := tlsconfig.AuthorizeMemberOf(spiffeid.RequireTrustDomainFromString(os.Args[2]))
	if os.Args[1] == "serve" {
		serve(source, allowed)
	}
	connection, err := tls.Dial("tcp", os.Args[3], tlsconfig.MTLSClientConfig(source, source, allowed))
	must(err)
	said, err := io.ReadAll(connection)
	must(err)
	fmt.Println(string(said))
	fmt.Println("server", peer(connection))
}
