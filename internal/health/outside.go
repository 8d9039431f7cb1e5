package health

import (
	"fmt"
	"strings"
	"time"

	units "github.com/docker/go-units"

	"github.com/witchcityrope/database/config"
)

func healthy(format string, args ...any) verdict {
	return verdict{status: Healthy, value: fmt.Sprintf(format, args...)}
}

func critical(value, remedy string) verdict {
	return verdict{status: Critical, value: value, remedy: remedy}
}

func warning(value, remedy string) verdict {
	return verdict{status: Warning, value: value, remedy: remedy}
}

func notDeclared(value string) verdict { return verdict{status: NotDeclared, value: value} }

// against holds a number against limits; more is worse.
func against[T int | int64 | float64 | time.Duration | config.Size](value, warning, critical T) Status {
	switch {
	case value >= critical:
		return Critical
	case value >= warning:
		return Warning
	}
	return Healthy
}

// unless leaves out what to do where there is nothing to do.
func (v verdict) unless(status Status) verdict {
	if v.status == status {
		v.remedy = ""
	}
	return v
}

func judgeContainer(stack *config.Stack, m Measured) verdict {
	c, name := m.Container, stack.Server.Name
	logs := "see what it says: docker logs --tail 50 " + name
	switch {
	case !c.Exists:
		return critical("there is no container "+name, "bring the stack up: wcrdb up -s "+stack.Name)
	case c.Restarting:
		return critical(fmt.Sprintf("restarting again and again, %d times so far, exit status %d", c.Restarts, c.ExitCode), logs)
	case c.Paused:
		return critical("paused", "docker unpause "+name)
	case !c.Running && c.OutOfMemory:
		return critical("killed for want of memory", "raise server.memory, or lower settings.shared_buffers or settings.work_mem; then wcrdb up -s "+stack.Name)
	case !c.Running:
		return critical(fmt.Sprintf("stopped, exit status %d", c.ExitCode), logs+"; start it: wcrdb up -s "+stack.Name)
	case c.Health == "unhealthy":
		return critical("running, and Docker's health check fails: "+c.Said, logs+"; wcrdb refresh -s "+stack.Name+" finds what was changed by hand")
	case c.OutOfMemory:
		return warning("running, and one of its processes was killed for want of memory", "lower settings.work_mem, or raise server.memory; "+logs)
	case c.Health == "starting":
		return warning("running, and Docker's health check has not passed yet", "look again in "+stack.Server.HealthCheck.Interval.String())
	case c.Health == "":
		return warning("running without a health check", "put it back: wcrdb up -s "+stack.Name)
	}
	up := m.At.Sub(c.StartedAt)
	if settling := time.Duration(stack.Health.Settling); c.Restarts > 0 && up < settling {
		found := warning(fmt.Sprintf("running and healthy; Docker had to restart it %d times, the last time %s ago", c.Restarts, ago(up)), logs)
		found.threshold = fmt.Sprintf("no restart within %s", stack.Health.Settling)
		return found
	}
	return healthy("running and healthy since %s", ago(up))
}

func judgeServer(stack *config.Stack, m Measured) verdict {
	if m.Server.Fault != "" {
		return critical("does not accept sessions: "+m.Server.Fault, "while it initialises or recovers that is so; else see what it logs"+logOf(stack))
	}
	return healthy("PostgreSQL %s accepts sessions at %s, for %s", m.Server.Version, m.Server.Address, ago(m.At.Sub(m.Server.Started)))
}

// logOf says where a server's log is, if it is this stack's to run.
func logOf(stack *config.Stack) string {
	if stack.Target.Type == config.External {
		return ""
	}
	return ": docker logs --tail 50 " + stack.Server.Name
}

func judgeApplication(stack *config.Stack, m Measured) verdict {
	a := m.Application
	if a.Fault != "" {
		return critical(fmt.Sprintf("%s cannot log in %s: %s", a.Login, a.From, a.Fault),
			fmt.Sprintf("wcrdb refresh -s %s finds what was changed by hand, wcrdb up -s %[1]s puts it right", stack.Name))
	}
	encrypted := "without TLS"
	if a.TLS {
		encrypted = "with TLS verified"
	}
	return healthy("%s logs in %s %s, and its query is answered", a.Login, a.From, encrypted)
}

func judgeDisk(stack *config.Stack, m Measured) verdict {
	if m.Disk.Total == 0 {
		return verdict{status: NotMeasured, value: "needs a running container"}
	}
	free, limits := float64(m.Disk.Free)*100/float64(m.Disk.Total), stack.Health.DiskFree
	found := verdict{
		value:     fmt.Sprintf("%.0f %% free: %s of %s", free, units.BytesSize(float64(m.Disk.Free)), units.BytesSize(float64(m.Disk.Total))),
		threshold: fmt.Sprintf("warning below %d %%, critical below %d %%", limits.Warning, limits.Critical),
		remedy:    "make room: wcrdb report size shows what takes it; a replication slot or a failing archive_command keeps WAL; docker system df shows what else Docker holds",
		status:    Healthy,
	}
	switch {
	case free < float64(limits.Critical):
		found.status = Critical
	case free < float64(limits.Warning):
		found.status = Warning
	}
	return found.unless(Healthy)
}

func judgeCertificate(stack *config.Stack, m Measured) verdict {
	c := m.Certificate
	if !stack.TLS.Enabled && stack.Target.Type == config.Container {
		return notDeclared("tls.enabled is off")
	}
	up := "renew it: wcrdb up -s " + stack.Name
	if stack.Target.Type == config.External {
		up = "whoever runs the server has to renew it"
	}
	if c == nil {
		return critical("the server speaks no TLS", "switch it on: wcrdb up -s "+stack.Name)
	}
	// The next up within renewBefore of the end renews it; so late that few of them are left is critical.
	early, left := time.Duration(stack.TLS.RenewBefore), c.NotAfter.Sub(m.At)
	found := verdict{
		status:    Healthy,
		value:     "expires in " + ago(left),
		threshold: fmt.Sprintf("warning within %s of its end, critical within %s", stack.TLS.RenewBefore, config.Duration(early/4)),
		remedy:    up,
	}
	earlyCA, leftCA := time.Duration(stack.TLS.CARenewBefore), c.CANotAfter.Sub(m.At)
	switch {
	case left <= 0:
		found.status, found.value = Critical, fmt.Sprintf("expired %s ago", ago(-left))
	case c.Fault != "":
		found.status, found.value = Critical, "is not verified: "+c.Fault
		found.remedy = fmt.Sprintf("wcrdb refresh -s %s finds what was changed by hand, wcrdb up -s %[1]s puts it right", stack.Name)
	case left < early/4:
		found.status = Critical
	case left < early:
		found.status = Warning
	case !c.CANotAfter.IsZero() && leftCA < earlyCA:
		found.status, found.value = Warning, "its CA expires in "+ago(leftCA)
		found.threshold = fmt.Sprintf("warning within %s of its end", stack.TLS.CARenewBefore)
		found.remedy = up + "; then give clients caCertificate"
	}
	return found.unless(Healthy)
}

func judgeBackup(stack *config.Stack, m Measured) verdict {
	b := m.Backup
	if b == nil {
		return notDeclared("no backup is declared")
	}
	found := verdict{
		threshold: fmt.Sprintf("warning from %s, critical from %s", config.Duration(b.Warning), config.Duration(b.Critical)),
		remedy:    fmt.Sprintf("make one: wcrdb backup -s %s; wcrdb backups -s %[1]s lists those that are there", stack.Name),
	}
	if b.None {
		found.status, found.value = Critical, "there is none that is complete"
		return found
	}
	age := m.At.Sub(b.At)
	found.value = fmt.Sprintf("the newest is %s old: %s", ago(age), b.ID)
	if age < -time.Minute {
		found.status, found.remedy = Warning, "the clock of this machine, or of the one that makes backups, is wrong"
		found.value = fmt.Sprintf("the newest is from %s ahead: %s", ago(-age), b.ID)
		return found
	}
	found.status = against(age, b.Warning, b.Critical)
	return found.unless(Healthy)
}

func judgeDrill(stack *config.Stack, m Measured) verdict {
	d := m.Drill
	if d == nil {
		return notDeclared("no drill is declared")
	}
	found := verdict{
		status:    Healthy,
		value:     fmt.Sprintf("the last good one was %s ago", ago(m.At.Sub(d.Good))),
		threshold: fmt.Sprintf("a good one within %s", config.Duration(d.MaxAge)),
		remedy:    "prove that the backup can be restored: wcrdb drill -s " + stack.Name,
	}
	switch {
	case d.Failed != "":
		found.status, found.value = Critical, "the last one failed: "+d.Failed
	case d.None:
		found.status, found.value = Warning, "there was none"
	case m.At.Sub(d.Good) > d.MaxAge:
		found.status = Warning
	}
	return found.unless(Healthy)
}

// ago is a length of time for people.
func ago(d time.Duration) string { return strings.ToLower(units.HumanDuration(d)) }
