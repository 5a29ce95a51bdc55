// Package device reads the devices of a dumped kernel: interrupts, character and
// block devices, PCI, and the ranges of I/O memory and ports.
//
// Network devices are of package kernel/net. The commands irq, dev, mach and
// sbitmapq are above it.
package device
