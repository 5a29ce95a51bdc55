// Package expr parses and evaluates C expressions over the memory of a dump.
//
// It owns the language: its grammar, C's conversions, the names of types. What
// a name stands for it asks a [Scope], and what a value is, package kernel
// below it. Package repl and its commands are above: they print the results and
// keep the history.
//
// # The language
//
// An expression is one of C, without what would change or run the dump:
// assignments, ++ and --, calls. Its numbers have C's types and conversions on
// the machine of the dump: int is promoted to, unsigned wraps around, -1 > 0u.
//
//	init_task.comm                    members, also of anonymous members
//	init_task.parent->pid             . and -> both work on structs and on pointers
//	*(struct task_struct *)0xffff…    casts to any type of the kernel, or of C
//	(int (*)(void *))p                also to pointers to functions and arrays
//	struct foo#2, foo#2               the second type or variable of that name
//	tasks[3], tasks[0..8]             an element; the elements from 0 up to, not including, 8
//	&x  *p  !x  ~x  -x  + - * / %     operators as in C, with its precedence
//	x ? y : z   && || & | ^ << >>     only what is needed is evaluated
//	sizeof x, sizeof(struct page)     of an expression or a type; nothing is read for it
//	offsetof(struct page, lru.next)   the offset of a member, also through mem[2].size
//	container_of(p, struct t, list)   the struct t whose member list p points to
//	typeof(x)                         the type of x, where a type can stand
//	runqueues:0, per_cpu(runqueues, 0)  one CPU's copy of a per-CPU variable
//	per_cpu_ptr(p, 0)                 p, a pointer to per-CPU memory, on one CPU
//	0x1f 017 0b101 10UL 1.5 'a' "sda" constants, with C's suffixes and escapes
//	PIDTYPE_SID, NULL, true, false    enumerators; three macros that everybody writes
//	$, $$, $1, $$2                    last result, the one before, number 1, the third last
//	$t = init_task.pid                convenience variables are the only ones to assign to
//	$task.comm                        the current task, see the command set, until it is assigned to
//	`do_one.isra.0`                   a symbol of any name, even one with dots or of a type
//
// It goes beyond C where a debugger should:
//
//   - A struct in +, - or a comparison stands for its address: init_task + 1 is
//     &init_task + 1.
//   - An array of char, or a pointer to char, compares with a string constant
//     by text: init_task.comm == "swapper/0".
//   - The name of a function is its address and can be computed with in bytes.
//   - A symbol without a type has an address, &sym, and takes a type from a
//     cast: (int)sym is the int that is there.
//   - container_of accepts an integer for its pointer.
//   - Shifts by the width of a type or more and divisions by zero, which C
//     leaves undefined, are errors.
//
// An error knows its column and what to do next, see [Error]. Whatever is
// typed, parsing and evaluating end: length, nesting and slices are bounded.
package expr
