package main

import (
	"encoding/json"
	"fmt"
	"net"
	"path/filepath"
	"time"
)

// dumpMemory lets QEMU write the guest's memory as an ELF core. The guest stands
// still meanwhile.
func (m *machine) dumpMemory(file string) error {
	step("dump-guest-memory to %s", file)
	conn, err := net.Dial("unix", filepath.Join(m.dir, "qmp"))
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(guestTime)); err != nil {
		return err
	}
	q := qmp{json.NewEncoder(conn), json.NewDecoder(conn)}
	if err := q.execute("qmp_capabilities", nil); err != nil {
		return err
	}
	return q.execute("dump-guest-memory", map[string]any{"paging": false, "protocol": "file:" + file})
}

// qmp is a connection that speaks QEMU's machine protocol
// (https://www.qemu.org/docs/master/interop/qmp-spec.html).
type qmp struct {
	enc *json.Encoder
	dec *json.Decoder
}

// execute runs a command and waits for its end. Greetings and events that come
// before are passed over.
func (q qmp) execute(command string, arguments map[string]any) error {
	request := map[string]any{"execute": command}
	if arguments != nil {
		request["arguments"] = arguments
	}
	if err := q.enc.Encode(request); err != nil {
		return fmt.Errorf("QEMU's %s: %w", command, err)
	}
	for {
		var answer struct {
			Return json.RawMessage
			Error  *struct{ Desc string }
		}
		if err := q.dec.Decode(&answer); err != nil {
			return fmt.Errorf("QEMU's %s: %w", command, err)
		}
		switch {
		case answer.Error != nil:
			return fmt.Errorf("QEMU's %s: %s", command, answer.Error.Desc)
		case answer.Return != nil:
			return nil
		}
	}
}
