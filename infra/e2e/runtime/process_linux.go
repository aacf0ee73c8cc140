package runtime

import (
	"os/exec"
	goruntime "runtime"
	"syscall"
)

// lockThread keeps the goroutine on its thread until it ends, and the thread then ends too.
func lockThread() { goruntime.LockOSThread() }

// attributes makes the child a process group of its own, which dies with this process.
func attributes(c *exec.Cmd) {
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

func kill(c *exec.Cmd) { _ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }

func freeze(c *exec.Cmd) { _ = syscall.Kill(-c.Process.Pid, syscall.SIGSTOP) }

func thaw(c *exec.Cmd) { _ = syscall.Kill(-c.Process.Pid, syscall.SIGCONT) }
