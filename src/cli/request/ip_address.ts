/** Whether a text is an IPv4 address, or an IPv6 address without brackets and zone. */
export function isIpAddress(text: string): boolean {
  if (text.includes(":")) return /^[0-9A-Fa-f:.]+$/.test(text) && URL.canParse(`http://[${text}]/`);
  const parts = text.split(".");
  return parts.length === 4 && parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256);
}
