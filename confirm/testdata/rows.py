# drgn -q -c DUMP -s VMLINUX rows.py: prints what drgn lists of a kernel, as rows
# of words behind the name of the list and a colon. See drgn_test.go.
import sys

from drgn.helpers.linux.cgroup import cgroup_path, css_for_each_descendant_pre
from drgn.helpers.linux.cpumask import cpumask_to_cpulist, for_each_online_cpu
from drgn.helpers.linux.device import for_each_registered_blkdev, for_each_registered_chrdev
from drgn.helpers.linux.fs import d_path, for_each_file, for_each_mount, mount_dst, mount_fstype, mount_src
from drgn.helpers.linux.ipc import for_each_sysv_msg_queue, for_each_sysv_sem_array, for_each_sysv_shm
from drgn.helpers.linux.irq import for_each_irq_desc, irq_desc_action_names, irq_desc_affinity_mask, irq_desc_kstat_cpu
from drgn.helpers.linux.mm import for_each_vma, for_each_vmap_area, task_rss, task_vsize
from drgn.helpers.linux.module import for_each_module
from drgn.helpers.linux.net import for_each_netdev, netdev_ipv4_addrs, netdev_ipv6_addrs, netdev_name
from drgn.helpers.linux.percpu import per_cpu
from drgn.helpers.linux.pid import for_each_task
from drgn.helpers.linux.printk import get_dmesg
from drgn.helpers.linux.sched import cpu_curr, cpu_rq, rq_for_each_fair_task, rq_for_each_rt_task, task_cpu, task_state_to_char
from drgn.helpers.linux.slab import for_each_slab_cache, slab_cache_usage
from drgn.helpers.linux.timer import hrtimer_clock_base_for_each, timer_base_for_each

PAGE_KIB = 4
KERNEL = 1 << 63  # addresses from here on


def hexa(v):
    return f"{int(v):x}"


def text(b):
    return b.decode("latin-1")


def ps():
    for t in for_each_task(prog):
        kib = 0, 0
        if t.mm:
            kib = task_vsize(t) // 1024, task_rss(prog, t).total * PAGE_KIB
        yield (int(t.pid), int(t.tgid), int(t.real_parent.tgid), task_cpu(t), hexa(t), task_state_to_char(t), *kib, text(t.comm.string_()))


def bt():
    for t in for_each_task(prog):
        for f in prog.stack_trace(t):
            if not f.is_inline and f.pc >= KERNEL:
                yield int(t.pid), hexa(f.pc)


def mod():
    for m in for_each_module(prog):
        yield text(m.name.string_()), hexa(m)


def log():
    for line in get_dmesg(prog).decode("latin-1").splitlines():
        yield (line.split("] ", 1)[1],) if line.startswith("[") and "] " in line else (line,)


def mount():
    for m in for_each_mount(prog):
        yield hexa(m), hexa(m.mnt.mnt_sb), text(mount_fstype(m)), text(mount_src(m)), text(mount_dst(m))


def files():
    for t in for_each_task(prog):
        for fd, f in for_each_file(t):
            if f:  # else it is about to be opened
                yield int(t.pid), int(fd), hexa(f), hexa(f.f_path.dentry), hexa(f.f_inode)


def directories():
    for t in for_each_task(prog):
        if t.fs:
            yield int(t.pid), text(d_path(t.fs.root)), text(d_path(t.fs.pwd))


def net():
    for d in for_each_netdev(prog["init_net"].address_of_()):
        ips = [str(a) for a in netdev_ipv4_addrs(d) + netdev_ipv6_addrs(d)]
        yield hexa(d), text(netdev_name(d)), int(d.ifindex), int(d.mtu), *sorted(ips)


def vm():
    for t in for_each_task(prog):
        if t.mm:
            for v in for_each_vma(t.mm):
                yield int(t.pid), hexa(v), hexa(v.vm_start), hexa(v.vm_end), hexa(v.vm_flags)


def irq():
    for n, d in for_each_irq_desc(prog):
        names = [text(a) for a in irq_desc_action_names(d)]
        if not names:
            continue
        counts = [int(irq_desc_kstat_cpu(d, cpu)) for cpu in for_each_online_cpu(prog)]
        yield int(n), hexa(d), cpumask_to_cpulist(irq_desc_affinity_mask(d)), *counts, *names


def slab():
    for c in for_each_slab_cache(prog):
        u = slab_cache_usage(c)
        yield hexa(c), int(c.object_size), u.num_objs, u.num_slabs, text(c.name.string_())


def slab_objects():
    # Of slabs that CPUs take objects from (before v7.0), drgn does not count what
    # other CPUs have given back.
    for c in for_each_slab_cache(prog):
        if not hasattr(c, "cpu_slab"):
            yield hexa(c), slab_cache_usage(c).active_objs


def vmalloc():
    for a in for_each_vmap_area(prog):
        yield hexa(a), hexa(a.vm), hexa(a.va_start), hexa(a.va_end)


def runq():
    for cpu in for_each_online_cpu(prog):
        current = cpu_curr(prog, cpu)
        yield "current", cpu, int(current.pid)
        rq = cpu_rq(prog, cpu)
        for list in rq_for_each_fair_task, rq_for_each_rt_task:
            for t in list(rq):
                if t == current:
                    continue
                yield "queued", cpu, int(t.pid)


def timer():
    for cpu in for_each_online_cpu(prog):
        for base in per_cpu(prog["timer_bases"], cpu):
            for t in timer_base_for_each(base.address_of_()):
                yield hexa(t), hexa(t.function), int(t.expires)


def hrtimer():
    for cpu in for_each_online_cpu(prog):
        for base in per_cpu(prog["hrtimer_bases"], cpu).clock_base:
            for t in hrtimer_clock_base_for_each(base.address_of_()):
                yield hexa(t), hexa(t.function), int(t.node.expires)


def dev():
    for dev, count, name, cdev in for_each_registered_chrdev(prog):
        yield "char", dev >> 20, dev & 0xFFFFF, count, text(name), hexa(cdev) if cdev else "-"
    for major, name, _ in for_each_registered_blkdev(prog):
        yield "block", major, text(name)


def ipc():
    for kind, each in ("shm", for_each_sysv_shm), ("sem", for_each_sysv_sem_array), ("msg", for_each_sysv_msg_queue):
        for o in each(prog):
            perm = o.member_({"shm": "shm_perm", "sem": "sem_perm", "msg": "q_perm"}[kind])
            yield kind, hexa(o), int(perm.id), hexa(perm.key)


def cgroup():
    for css in css_for_each_descendant_pre(prog["cgrp_dfl_root"].cgrp.self.address_of_()):
        yield hexa(css.cgroup), text(cgroup_path(css.cgroup))


for rows in ps, bt, mod, log, mount, files, directories, net, vm, irq, slab, slab_objects, vmalloc, runq, timer, hrtimer, dev, ipc, cgroup:
    try:
        for row in rows():
            print(f"{rows.__name__}:", *row)
    except Exception as e:
        print(f"{rows.__name__}: failed: {type(e).__name__}: {e}", file=sys.stderr)
