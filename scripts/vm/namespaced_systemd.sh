# Becomes a systemd as PID 1 of new namespaces: bash namespaced_systemd.sh DISK FILES DIRECTORY, by unshare(1) with namespaces of
# mounts, processes, networks, IPC, host names and cgroups.
#
# The disk is that of the virtual machine, below an overlay in memory. Settings of the host's kernel can't be written, but for those
# of the network, which is its own.
set -e
disk=$1 files=$2 directory=$3
mount --make-rprivate /
mount -t tmpfs -o size=3G tmpfs "$directory"
cd "$directory"
mkdir lower upper work root
mount -o loop,ro "$disk" lower
mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work overlay root
mount -t tmpfs -o mode=755 tmpfs root/run
mount -t tmpfs tmpfs root/tmp
# Pods are made of overlays, and an overlay does not take another one for its files.
mount -t tmpfs -o mode=755 tmpfs root/var/lib
cp -a lower/var/lib/. root/var/lib/
mount -t proc proc root/proc
mount --bind root/proc/sys root/proc/sys
mount --bind root/proc/sys/net root/proc/sys/net
mount -o remount,bind,ro root/proc/sys
mount -t sysfs sysfs root/sys
mount -t cgroup2 cgroup2 root/sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs root/dev
mkdir root/dev/pts root/dev/shm root/dev/net
for node in null zero full random urandom tty fuse net/tun; do
  [ ! -e /dev/$node ] || cp -a /dev/$node root/dev/$node
done
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts root/dev/pts
mount -t tmpfs tmpfs root/dev/shm
ln -s pts/ptmx root/dev/ptmx
ln -s /proc/self/fd root/dev/fd
for stream in 0:stdin 1:stdout 2:stderr; do ln -s /proc/self/fd/${stream%:*} root/dev/${stream#*:}; done
mount --rbind "$files" root/work
# In the machine this unit runs the scripts; here they are run from outside.
rm root/etc/systemd/system/multi-user.target.wants/rkt-tests.service
cd root
mkdir old
pivot_root . old
umount -l old
rmdir old
# As systemd has it on a host: credentials of units reach them by propagation.
mount --make-rshared /
exec env -i container=rkt-tests PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --log-target=journal --show-status=0
