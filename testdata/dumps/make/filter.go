package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// userData is the bit of the level that leaves pages of processes out.
const userData = 8

// filter leaves out what a dump can do without, and compresses the rest. A
// makedumpfile that does not know the kernel takes other pages for those of
// processes, so these stay then.
func (j *job) filter(ctx context.Context, core, filtered string) error {
	if err := headersFirst(core); err != nil {
		return err
	}
	for {
		os.Remove(filtered) // makedumpfile refuses to overwrite it
		said, err := command{}.output(ctx, "makedumpfile", "-z", "-d", strconv.Itoa(j.kernel.level), core, filtered)
		if err != nil {
			return err
		}
		known := !strings.Contains(said, "The kernel version is not supported")
		if known || j.level >= 0 || j.kernel.level&userData == 0 {
			return nil
		}
		j.kernel.level &^= userData
	}
}

// headersFirst puts the program headers of an ELF core right behind its header.
// QEMU writes section headers there, in place of which makedumpfile would read
// the program headers wrongly. The section headers are lost: nothing needs them.
func headersFirst(core string) error {
	const headerSize, phentsize, shentsize = 64, 56, 64
	f, err := os.OpenFile(core, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	header := make([]byte, headerSize)
	if _, err := f.ReadAt(header, 0); err != nil {
		return err
	}
	le := binary.LittleEndian
	phoff, phnum := le.Uint64(header[32:]), int(le.Uint16(header[56:]))
	if phoff == headerSize {
		return nil
	}
	if shnum := int(le.Uint16(header[60:])); phnum == 0xffff || phoff != uint64(headerSize+shnum*shentsize) {
		return fmt.Errorf("%s: %d program headers at %#x are not what QEMU writes", core, phnum, phoff)
	}
	headers := make([]byte, phnum*phentsize)
	if _, err := f.ReadAt(headers, int64(phoff)); err != nil {
		return err
	}
	le.PutUint64(header[32:], headerSize) // e_phoff
	copy(header[40:48], make([]byte, 8))  // e_shoff
	copy(header[58:], make([]byte, 6))    // e_shentsize, e_shnum, e_shstrndx
	if _, err := f.WriteAt(append(header, headers...), 0); err != nil {
		return err
	}
	return f.Close()
}
