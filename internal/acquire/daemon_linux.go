package acquire

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// dockerdLog is where a daemon that no service manager runs writes to.
const dockerdLog = "/var/log/dockerd.log"

// startDocker starts the Docker daemon, through systemd if that runs, else as a
// process of its own that outlives this one, and waits until it answers.
func startDocker(ctx context.Context) error {
	systemd, err := exists("/run/systemd/system")
	if err != nil {
		return err
	}
	if systemd {
		if err := run(ctx, command{args: []string{"systemctl", "start", "docker"}}); err != nil {
			return err
		}
		return await(ctx, engineAnswers, nil)
	}
	return startDaemon(ctx, []string{"dockerd"}, dockerdLog, engineAnswers)
}

// startDaemon starts a detached process and waits until it is ready, or ends.
func startDaemon(ctx context.Context, args []string, logFile string, ready func(context.Context) error) error {
	log, err := os.OpenFile(logFile, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	daemon := exec.Command(args[0], args[1:]...)
	daemon.Stdout, daemon.Stderr = log, log
	daemon.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := daemon.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- daemon.Wait() }()
	if err := await(ctx, ready, ended); err != nil {
		return fmt.Errorf("%s: %w; its log is %s, which ends with:\n%s", args[0], err, logFile, lastOf(logFile))
	}
	return nil
}

// errEnded says that a daemon did not stay.
var errEnded = errors.New("it ended instead of staying up")

// await asks until the daemon is ready, has ended, or has had its time.
func await(ctx context.Context, ready func(context.Context) error, ended <-chan error) error {
	ctx, cancel := context.WithTimeout(ctx, daemonStart)
	defer cancel()
	tick := time.NewTicker(daemonPoll)
	defer tick.Stop()
	for {
		answer := ready(ctx)
		if answer == nil {
			return nil
		}
		select {
		case err := <-ended:
			return errors.Join(errEnded, err)
		case <-ctx.Done():
			return fmt.Errorf("it does not answer: %w (%w)", answer, ctx.Err())
		case <-tick.C:
		}
	}
}

// lastOf returns the end of a log, or why there is none.
func lastOf(path string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return tail(strings.TrimSpace(string(content)))
}
