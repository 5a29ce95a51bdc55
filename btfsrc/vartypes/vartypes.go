// Package vartypes gives types to the variables of kernels whose BTF has none for
// them, which is how distributions build theirs: pahole describes per-CPU variables
// and no others.
//
// It owns a table, embedded in the program, from names of variables to their types
// in some kernels of Debian, and the guards that hold each type against the dump at
// hand. The table is no authority on another kernel: a type counts if that kernel's
// BTF has it, if it fits the room up to the next symbol, and if memory does not
// speak against it. Where more than one type is left, and it would make a
// difference, the variable stays untyped and the types are candidates.
//
// Package btfsrc below resolves the types by name; package kernel above asks for a
// symbol's type when no BTF and no person has given one. The program generate makes
// the table; docs/stock-kernels.md says from what, and how well it does.
package vartypes
