package main

import (
	"os"
	"syscall"
)

const dontNeed = 4 // POSIX_FADV_DONTNEED

// evict puts a file out of the page cache. What was not written through stays there, so it is written through first.
func evict(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // it was read
	if err := f.Sync(); err != nil {
		return err
	}
	if _, _, e := syscall.Syscall6(syscall.SYS_FADVISE64, f.Fd(), 0, 0, dontNeed, 0, 0); e != 0 {
		return e
	}
	return nil
}
