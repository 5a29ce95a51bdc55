package net

import (
	"encoding/binary"
	"fmt"
	"iter"
	"net/netip"
	"strconv"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/kernel/fs"
	"github.com/kdbg/kdbg/vmcore"
)

// Socket is a socket that a task has open (struct socket and struct sock).
type Socket struct {
	FD       int
	Addr     vmcore.Addr // of the struct socket
	Sock     vmcore.Addr // of the struct sock
	Family   string      // "INET6", "UNIX", …; a number where it has no name here
	Type     string      // "STREAM", "DGRAM", …
	Protocol string      // the kernel's name, such as "TCPv6"
	State    string      // of a TCP or UNIX socket, such as "LISTEN"
	Local    string      // an address and port, a path, or what the family has for them
	Remote   string
}

// Sockets returns the sockets that a task (a struct task_struct) has open, by
// number of file. One of which something cannot be read comes with what can, and
// the error after it.
func Sockets(task kernel.Value) iter.Seq2[Socket, error] {
	return func(yield func(Socket, error) bool) {
		for f, err := range fs.Files(task) {
			if err != nil {
				if !yield(Socket{}, err) {
					return
				}
				continue
			}
			if f.Type != "SOCK" {
				continue
			}
			s, err := readSocket(task.Kernel(), f)
			if !yield(s, nil) {
				return
			}
			if err != nil && !yield(Socket{}, fmt.Errorf("socket %d at %v: %w", s.FD, s.Addr, err)) {
				return
			}
		}
	}
}

// families and types name the numbers of include/linux/socket.h and
// include/linux/net.h.
var (
	families = map[uint64]string{
		0: "UNSPEC", 1: "UNIX", 2: "INET", 10: "INET6", 15: "KEY", 16: "NETLINK", 17: "PACKET", 21: "RDS", 29: "CAN",
		30: "TIPC", 31: "BLUETOOTH", 38: "ALG", 40: "VSOCK", 43: "SMC", 44: "XDP", 45: "MCTP",
	}
	types = map[uint64]string{1: "STREAM", 2: "DGRAM", 3: "RAW", 4: "RDM", 5: "SEQPACKET", 6: "DCCP", 10: "PACKET"}
)

// states are those of include/net/tcp_states.h.
var states = [...]string{
	1: "ESTABLISHED", 2: "SYN_SENT", 3: "SYN_RECV", 4: "FIN_WAIT1", 5: "FIN_WAIT2", 6: "TIME_WAIT", 7: "CLOSE",
	8: "CLOSE_WAIT", 9: "LAST_ACK", 10: "LISTEN", 11: "CLOSING", 12: "NEW_SYN_RECV", 13: "BOUND_INACTIVE",
}

// stateless are the families whose sockets use the states of TCP for nothing.
var stateless = map[string]bool{"NETLINK": true, "PACKET": true}

// readSocket reads the socket behind a file, which keeps it as private_data.
func readSocket(k *kernel.Kernel, f fs.File) (Socket, error) {
	s := Socket{FD: f.FD}
	file, err := k.Struct("file")
	if err != nil {
		return s, err
	}
	socketType, err := k.Struct("socket")
	if err != nil {
		return s, err
	}
	private, err := k.At(f.Addr, file).UintAt("private_data")
	if err != nil {
		return s, err
	}
	s.Addr = vmcore.Addr(private)
	r := kernel.Reader{Value: k.At(s.Addr, socketType)}
	s.Type = named(types, r.Uint("type"))
	s.Sock = r.Pointer("sk")
	if r.Err != nil || s.Sock == 0 {
		return s, r.Err
	}
	sock, err := r.Path("sk")
	if err != nil {
		return s, err
	}
	if sock, err = sock.Deref(); err != nil {
		return s, err
	}
	return s, s.readSock(sock)
}

// readSock reads a struct sock.
func (s *Socket) readSock(sock kernel.Value) error {
	r := kernel.Reader{Value: sock}
	s.Family = named(families, r.Uint("__sk_common", "skc_family"))
	s.Protocol = r.Text("__sk_common", "skc_prot", "name")
	if state := r.Uint("__sk_common", "skc_state"); state < uint64(len(states)) && !stateless[s.Family] {
		s.State = states[state]
	}
	if r.Err != nil {
		return r.Err
	}
	read := map[string]func(kernel.Value) error{
		"INET": s.readInet, "INET6": s.readInet, "UNIX": s.readUnix, "NETLINK": s.readNetlink,
	}[s.Family]
	if read == nil {
		return nil
	}
	return read(sock)
}

// readInet reads the addresses of an IP socket.
func (s *Socket) readInet(sock kernel.Value) error {
	local, remote := "skc_rcv_saddr", "skc_daddr"
	if s.Family == "INET6" {
		local, remote = "skc_v6_rcv_saddr", "skc_v6_daddr"
	}
	common, err := sock.Path("__sk_common")
	if err != nil {
		return err
	}
	r := kernel.Reader{Value: common}
	if s.Local, err = endpoint(common, local, uint16(r.Uint("skc_num"))); err != nil {
		return err
	}
	port, err := common.Path("skc_dport")
	if err != nil {
		return err
	}
	b, err := port.Bytes() // in the order of the network
	if err != nil || len(b) != 2 {
		return err
	}
	if s.Remote, err = endpoint(common, remote, binary.BigEndian.Uint16(b)); err != nil {
		return err
	}
	return r.Err
}

// endpoint writes an address and a port as 127.0.0.1:80 or [::1]:80.
func endpoint(common kernel.Value, member string, port uint16) (string, error) {
	a, err := address(common, member)
	if err != nil {
		return "", err
	}
	return netip.AddrPortFrom(a, port).String(), nil
}

// readUnix reads the names of a Unix socket and of its peer.
func (s *Socket) readUnix(sock kernel.Value) error {
	t, err := sock.Kernel().Struct("unix_sock")
	if err != nil {
		return err
	}
	unix := sock.WithType(t)
	if s.Local, err = unixName(unix); err != nil {
		return err
	}
	if peer, err := unix.UintAt("peer"); err != nil || peer == 0 {
		return err
	}
	peer, err := unix.Path("peer")
	if err != nil {
		return err
	}
	if peer, err = peer.Deref(); err != nil {
		return err
	}
	s.Remote, err = unixName(peer.WithType(t))
	return err
}

// unixName returns the name that a Unix socket is bound to: a path, or one of
// the abstract names, which begin with a NUL and are written with @.
func unixName(unix kernel.Value) (string, error) {
	a, err := unix.UintAt("addr")
	if err != nil || a == 0 {
		return "", err
	}
	size, err := unix.UintAt("addr", "len")
	if err != nil {
		return "", err
	}
	const family, most = 2, 110 // sizeof(sa_family_t), sizeof(struct sockaddr_un)
	if size <= family || size > most {
		return "", nil
	}
	name, err := unix.Path("addr", "name")
	if err != nil {
		return "", err
	}
	at, _ := name.Addr()
	b := make([]byte, size-family)
	if _, err := unix.Kernel().Memory().ReadMemory(b, at+family); err != nil {
		return "", err
	}
	if b[0] == 0 {
		return "@" + string(b[1:]), nil
	}
	for i, c := range b {
		if c == 0 {
			return string(b[:i]), nil
		}
	}
	return string(b), nil
}

// readNetlink reads the ports of a netlink socket.
func (s *Socket) readNetlink(sock kernel.Value) error {
	t, err := sock.Kernel().Struct("netlink_sock")
	if err != nil {
		return err
	}
	r := kernel.Reader{Value: sock.WithType(t)}
	s.Local = strconv.FormatUint(r.Uint("portid"), 10)
	s.Remote = strconv.FormatUint(r.Uint("dst_portid"), 10)
	return r.Err
}

// named returns the name of a number, or its digits.
func named(names map[uint64]string, n uint64) string {
	if name, ok := names[n]; ok {
		return name
	}
	return strconv.FormatUint(n, 10)
}
