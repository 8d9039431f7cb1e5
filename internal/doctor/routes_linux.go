package doctor

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/bits"
	"net/netip"
	"os"
	"strings"
)

// hostPrefixes returns the address ranges of the host's interfaces and routes.
func hostPrefixes() ([]hostPrefix, error) {
	found, err := interfacePrefixes()
	if err != nil {
		return nil, err
	}
	table, err := os.ReadFile("/proc/net/route")
	if err != nil {
		return nil, fmt.Errorf("read the routes: %w", err)
	}
	routes, err := parseRoutes(string(table))
	return append(found, routes...), err
}

// parseRoutes reads the kernel's table of IPv4 routes: device, destination,
// gateway, flags, three counters, mask and more, addresses in hexadecimal with
// the bytes in the machine's order.
func parseRoutes(table string) ([]hostPrefix, error) {
	lines := strings.Split(strings.TrimSpace(table), "\n")
	var found []hostPrefix
	for _, line := range lines[1:] {
		fields := strings.Fields(line)
		if len(fields) < 8 {
			return nil, fmt.Errorf("read the routes: unknown format: %q", line)
		}
		destination, err := hex.DecodeString(fields[1])
		if err != nil || len(destination) != 4 {
			return nil, fmt.Errorf("read the routes: %q is not an address", fields[1])
		}
		mask, err := hex.DecodeString(fields[7])
		if err != nil || len(mask) != 4 {
			return nil, fmt.Errorf("read the routes: %q is not a mask", fields[7])
		}
		var address [4]byte
		binary.NativeEndian.PutUint32(address[:], binary.BigEndian.Uint32(destination))
		length := bits.OnesCount32(binary.BigEndian.Uint32(mask))
		found = append(found, hostPrefix{netip.PrefixFrom(netip.AddrFrom4(address), length), fields[0]})
	}
	return found, nil
}
