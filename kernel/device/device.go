// Package device reads the devices of a dumped kernel: interrupts, character and
// block devices and the bitmaps of their requests, PCI, the ranges of I/O memory
// and ports, and the firmware's map of memory.
//
// Network devices are of package kernel/net. The commands irq, dev, mach and
// sbitmapq are above it.
package device
