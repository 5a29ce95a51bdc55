package cmds

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/kdbg/kdbg/kernel"
	"github.com/kdbg/kdbg/kernel/net"
	"github.com/kdbg/kdbg/vmcore"
)

func init() {
	register(&Command{
		Name: "net",
		Args: "[-a] [-n [TASK]] [-s|-S [TASK]...]",
		Help: "show network devices, neighbours and sockets",
		Doc: `net lists the network devices of the kernel's first namespace and their IP
addresses.

    net                 devices
    net -n 165          devices of the namespace of the task with PID 165;
                        without a task, of the current one's
    net -a              neighbours, as ARP and neighbour discovery found them
    net -s              the sockets that the current task has open
    net -s 165 sshd     those of other tasks
    net -S 165          and the struct socket and struct sock of each

A socket of a Unix family has a path in place of an address and a port; a name
that begins with @ is an abstract one. A netlink socket has ports.`,
		Run: runNet,
	})
}

func runNet(ctx context.Context, env *Env, args string) error {
	opts, words, err := options("net", args, "ansS")
	switch {
	case err != nil:
		return err
	case opts.has('s') || opts.has('S'):
		return env.eachTask(ctx, words, func(t kernel.Task) error { return env.showSockets(t, opts.has('S')) })
	case len(words) > 1 || len(words) == 1 && !opts.has('n'):
		return usage("net", "net takes tasks behind -s, and one behind -n")
	case opts.has('a'):
		return env.showNeighbours(ctx)
	}
	var task kernel.Value
	if opts.has('n') {
		tasks, err := env.tasks(ctx, words)
		if err != nil {
			return err
		}
		task = tasks[0].Value()
	}
	ns, err := net.Namespace(env.Kernel, task)
	if err != nil {
		return err
	}
	header := []string{"NET_DEVICE", "NAME", "IP ADDRESS(ES)"}
	return writeList(ctx, env, header, net.Devices(ns), func(d net.Device) any { return newDeviceObject(d) }, func(d net.Device) []string {
		var addrs []string
		for _, a := range d.Addresses {
			addrs = append(addrs, a.Addr().String())
		}
		return []string{hexAddr(d.Addr), d.Name, strings.Join(addrs, ", ")}
	})
}

// deviceObject is a network device in JSON.
type deviceObject struct {
	Name      string         `json:"name"`
	Address   string         `json:"address"`
	Index     int            `json:"index"`
	MTU       uint64         `json:"mtu"`
	Up        bool           `json:"up"`
	Hardware  string         `json:"hardware"`
	Addresses []netip.Prefix `json:"addresses"`
}

func newDeviceObject(d net.Device) deviceObject {
	o := deviceObject{d.Name, d.Addr.String(), d.Index, d.MTU, d.Up, d.Hardware, d.Addresses}
	if o.Addresses == nil {
		o.Addresses = []netip.Prefix{}
	}
	return o
}

func (e *Env) showNeighbours(ctx context.Context) error {
	header := []string{"NEIGHBOUR", "IP ADDRESS", "HW TYPE", "HW ADDRESS", "DEVICE", "STATE"}
	return writeList(ctx, e, header, net.Neighbours(e.Kernel), func(n net.Neighbour) any {
		return struct {
			Address  string     `json:"address"`
			IP       netip.Addr `json:"ip"`
			Type     string     `json:"type"`
			Hardware string     `json:"hardware"`
			Device   string     `json:"device"`
			State    string     `json:"state"`
		}{n.Addr.String(), n.IP, n.Type, n.Hardware, n.Device, n.State}
	}, func(n net.Neighbour) []string {
		return []string{hexAddr(n.Addr), n.IP.String(), n.Type, n.Hardware, n.Device, n.State}
	})
}

// socketObject is a socket in JSON.
type socketObject struct {
	FD       int    `json:"fd"`
	Socket   string `json:"socket"`
	Sock     string `json:"sock"`
	Family   string `json:"family"`
	Type     string `json:"type"`
	Protocol string `json:"protocol"`
	State    string `json:"state"`
	Local    string `json:"local"`
	Remote   string `json:"remote"`
}

// showSockets writes the sockets of a task, and their structures if whole.
func (e *Env) showSockets(t kernel.Task, whole bool) error {
	var sockets []net.Socket
	for s, err := range net.Sockets(t.Value()) {
		if err != nil {
			e.Problem(fmt.Errorf("task %d: %w", t.PID, err))
			continue
		}
		sockets = append(sockets, s)
	}
	if e.JSON {
		o := struct {
			taskObject
			Sockets []socketObject `json:"sockets"`
		}{newTaskObject(t), []socketObject{}}
		for _, s := range sockets {
			o.Sockets = append(o.Sockets, socketObject{
				s.FD, s.Addr.String(), s.Sock.String(), s.Family, s.Type, s.Protocol, s.State, s.Local, s.Remote,
			})
		}
		return e.Object(o)
	}
	if err := e.Printf("%s\n", taskLine(t)); err != nil {
		return err
	}
	if len(sockets) == 0 {
		return e.Printf("No open sockets.\n")
	}
	var rows [][]string
	for _, s := range sockets {
		rows = append(rows, []string{
			strconv.Itoa(s.FD), hexAddr(s.Addr), hexAddr(s.Sock), s.Family + ":" + s.Type, s.Local, s.Remote, s.State,
		})
	}
	header := []string{">FD", "SOCKET", "SOCK", "FAMILY:TYPE", "SOURCE-PORT", "DESTINATION-PORT", "STATE"}
	if err := writeTable(e.Out, header, rows); err != nil || !whole {
		return err
	}
	for _, s := range sockets {
		for _, part := range []struct {
			name string
			at   vmcore.Addr
		}{{"socket", s.Addr}, {"sock", s.Sock}} {
			if err := e.showStructAt(part.name, part.at); err != nil {
				return err
			}
		}
	}
	return nil
}

// showStructAt writes the structure of a name at an address, behind its name.
func (e *Env) showStructAt(name string, at vmcore.Addr) error {
	t, err := e.Kernel.Struct(name)
	if err != nil {
		return err
	}
	if err := e.Printf("\nstruct %s at %s ", name, hexAddr(at)); err != nil {
		return err
	}
	if err := e.Kernel.At(at, t).Format(e.Out, e.Settings.formatOptions(0)); err != nil {
		return err
	}
	return e.Printf("\n")
}
