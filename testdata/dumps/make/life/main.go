//go:build linux

// Command life runs in a guest, so that its memory has something to look at:
// threads that each wait in a way of their own, sockets of several families,
// System V IPC, shared memory, and descriptors that are not of files. It says
// "alive" when all of it is there, and stays.
package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

func main() {
	runtime.LockOSThread() // the first thread is not one of waits
	connect("tcp4", "127.0.0.1:7001")
	connect("tcp6", "[::1]:7002")
	connect("unix", "/tmp/life.socket")
	datagrams("udp4", "127.0.0.1:7003")
	datagrams("unixgram", "/tmp/life.datagrams")
	ipc()
	descriptors()
	programs()
	for name, wait := range waits() {
		thread(name, wait)
	}
	time.Sleep(time.Second) // until the threads wait
	fmt.Println("alive")
	for {
		time.Sleep(time.Hour)
	}
}

// kept holds what the garbage collector would close.
var kept []any

// must ends the program if err is not nil.
func must[T any](v T, err error) T {
	done(err)
	kept = append(kept, v)
	return v
}

func done(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "life:", err)
		os.Exit(1)
	}
}

// connect leaves a socket that listens, and both ends of a connection to it.
func connect(network, address string) {
	l := must(net.Listen(network, address))
	must(net.Dial(network, address))
	must(l.Accept())
}

// datagrams leaves a socket that waits for datagrams.
func datagrams(network, address string) {
	if network == "unixgram" {
		must(net.ListenUnixgram(network, &net.UnixAddr{Name: address, Net: network}))
		return
	}
	must(net.ListenPacket(network, address))
}

// programs leaves a BPF program and the map that it looks into, where the kernel
// has BPF.
func programs() {
	values, err := ebpf.NewMap(&ebpf.MapSpec{Name: "life_map", Type: ebpf.Hash, KeySize: 4, ValueSize: 8, MaxEntries: 16})
	if errors.Is(err, ebpf.ErrNotSupported) || errors.Is(err, unix.ENOSYS) {
		return
	}
	must(values, err)
	must(ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "life_program", Type: ebpf.SocketFilter, License: "GPL",
		Instructions: asm.Instructions{
			asm.StoreImm(asm.RFP, -4, 1, asm.Word),
			asm.LoadMapPtr(asm.R1, values.FD()),
			asm.Mov.Reg(asm.R2, asm.RFP),
			asm.Add.Imm(asm.R2, -4),
			asm.FnMapLookupElem.Call(),
			asm.Mov.Imm(asm.R0, 0),
			asm.Return(),
		},
	}))
}

// ipc leaves one of each kind of System V IPC, and POSIX shared memory.
func ipc() {
	segment := must(unix.SysvShmGet(0x6b646267, 1<<16, unix.IPC_CREAT|0o600))
	copy(must(unix.SysvShmAttach(segment, 0, 0)), "shared")
	const semaphores = 3
	for _, call := range [][3]uintptr{
		{unix.SYS_SEMGET, 0x6b646267, semaphores},
		{unix.SYS_MSGGET, 0x6b646267, unix.IPC_CREAT | 0o600},
	} {
		if _, _, errno := unix.Syscall(call[0], call[1], call[2], unix.IPC_CREAT|0o600); errno != 0 {
			done(errno)
		}
	}
	file := must(unix.MemfdCreate("life", 0))
	done(unix.Ftruncate(file, 1<<16))
	copy(must(unix.Mmap(file, 0, 1<<16, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)), "shared")
}

// descriptors leaves descriptors that are not of files.
func descriptors() {
	must(unix.Eventfd(0, 0))
	timer := must(unix.TimerfdCreate(unix.CLOCK_MONOTONIC, 0))
	done(unix.TimerfdSettime(timer, 0, &unix.ItimerSpec{Value: unix.Timespec{Sec: 1e5}}, nil))
	watch := must(unix.InotifyInit1(0))
	must(unix.InotifyAddWatch(watch, "/tmp", unix.IN_CREATE))
	must(unix.PidfdOpen(os.Getpid(), 0))
}

// waits returns ways to wait without an end, by the name of the thread.
func waits() map[string]func() error {
	file := must(os.Create("/tmp/life.lock"))
	done(unix.Flock(int(file.Fd()), unix.LOCK_EX))
	other := must(os.Open(file.Name()))
	var pipe [2]int
	done(unix.Pipe(pipe[:]))
	poll := must(unix.EpollCreate1(0))
	done(unix.EpollCtl(poll, unix.EPOLL_CTL_ADD, pipe[0], &unix.EpollEvent{Events: unix.EPOLLPRI}))
	return map[string]func() error{
		"life-pipe": func() error {
			_, err := unix.Read(pipe[0], make([]byte, 1))
			return err
		},
		"life-epoll": func() error {
			_, err := unix.EpollWait(poll, make([]unix.EpollEvent, 1), -1)
			return err
		},
		"life-flock": func() error {
			return unix.Flock(int(other.Fd()), unix.LOCK_EX)
		},
		"life-sleep": func() error {
			return unix.Nanosleep(&unix.Timespec{Sec: 1e6}, nil)
		},
		"life-futex": func() error {
			var word uint32
			const wait = 0 // FUTEX_WAIT
			_, _, errno := unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&word)), wait, 0, 0, 0, 0)
			return errno
		},
		"life-pause": func() error {
			return unix.Pause()
		},
	}
}

// thread runs a function again and again on a thread of that name.
func thread(name string, wait func() error) {
	comm := must(unix.BytePtrFromString(name))
	go func() {
		runtime.LockOSThread()
		done(unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(comm)), 0, 0, 0))
		for {
			wait()
		}
	}()
}
