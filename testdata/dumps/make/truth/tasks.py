# drgn -q -c DUMP -s VMLINUX tasks.py OUT: writes the tasks with the kernel part
# of their stacks, the modules, the log, the mounts, and what is known of the
# crash as one JSON object.
import json
import sys

from drgn.helpers.linux.fs import for_each_mount, mount_dst, mount_fstype, mount_src
from drgn.helpers.linux.module import for_each_module
from drgn.helpers.linux.pid import for_each_task
from drgn.helpers.linux.printk import get_dmesg
from drgn.helpers.linux.sched import task_cpu, task_state_to_char

KERNEL = 1 << 63  # addresses from here on


def function(frame):
    try:
        return frame.symbol().name
    except LookupError:
        return None


def task(t):
    rec = {
        "pid": t.pid.value_(),
        "tgid": t.tgid.value_(),
        "comm": t.comm.string_().decode("latin-1"),
        "state": task_state_to_char(t),
        "cpu": task_cpu(t),
        "task": hex(t.value_()),
    }
    try:
        trace = prog.stack_trace(t)
        rec["stack"] = [[hex(f.pc), function(f)] for f in trace if not f.is_inline and f.pc >= KERNEL]
    except (LookupError, ValueError) as e:
        rec["stack_error"] = str(e)
    return rec


def crash():
    """The task that crashed, and where; None if no task did."""
    try:
        t = prog.crashed_thread().object
    except LookupError:
        return None
    return {"pid": t.pid.value_(), "comm": t.comm.string_().decode("latin-1"), "cpu": task_cpu(t)}


out = {
    "tasks": [task(t) for t in for_each_task(prog)],
    "modules": [[m.name.string_().decode(), hex(m.value_())] for m in for_each_module(prog)],
    "log": get_dmesg(prog).decode("latin-1"),
    "mounts": [[f(m).decode() for f in (mount_src, mount_dst, mount_fstype)] for m in for_each_mount(prog)],
    "crash": crash(),
}
with open(sys.argv[1], "w") as f:
    json.dump(out, f)
print(len(out["tasks"]), "tasks", sum(len(t.get("stack", ())) for t in out["tasks"]), "frames")
