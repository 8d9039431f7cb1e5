package health

import "time"

// Measured is what a stack's server is like at one time.
type Measured struct {
	At time.Time
	// Container is nil where the server is not this stack's to run.
	Container *Container
	Server    Server
	// Application is what became of its login.
	Application Application
	// Database is nil where nobody could come in.
	Database *Database
	// Remembered is what migrate was given last on this machine; nil if nothing was.
	Remembered *Remembered
	// Disk is where the data is.
	Disk Disk
	// Certificate is what the server presents; nil where TLS is off.
	Certificate *Certificate
	// Backup and Drill are nil where none are declared.
	Backup *Backup
	Drill  *Drill
	// Faults are checks of which nothing could be measured, and why.
	Faults map[string]string
}

// Remembered is the last migration of the script that migrate was given last.
type Remembered struct {
	Migration string    `json:"migration"`
	Script    string    `json:"script"`
	At        time.Time `json:"at"`
}

// Container is the server's, as Docker sees it.
type Container struct {
	Exists, Running, Paused, Restarting, OutOfMemory bool
	ExitCode                                         int
	// Health is Docker's: starting, healthy, unhealthy; empty where it has no check.
	Health string
	// Said is what the last health check said.
	Said      string
	StartedAt time.Time
	// Restarts that Docker had to make by itself.
	Restarts int
}

// Server is whether it accepts sessions.
type Server struct {
	Address string
	Version string
	Started time.Time
	// Fault is why nobody could come in; empty if somebody could.
	Fault string
}

// Application is a login and a query as the application.
type Application struct {
	Login string
	// From is where it came from, and where it went.
	From     string
	ReadOnly bool // its transactions
	TLS      bool
	Fault    string
}

// Database is what the server's own views say.
type Database struct {
	InRecovery bool
	// Tables that are declared to be there, as far as they are: where, and
	// whether the application can read them.
	Tables map[string]Table
	// Applied are ids of migrations; Pending, those of a script that are not;
	// Unknown, those that it does not have.
	Applied, Pending, Unknown []string
	// Compared says that there was a script.
	Compared bool

	// MaxConnections of the server, and how many of them are not for everybody.
	MaxConnections, SuperuserReserved, Reserved int
	Sessions                                    []Sessions

	BlocksHit, BlocksRead int64

	// Transaction is the longest one; nil if there is none.
	Transaction *Transaction
	// Waiting sessions; Longest of them.
	Waiting int
	Longest Wait

	// Oldest is the database with the oldest transaction ids.
	Oldest Age

	// Dead are the tables with the most dead rows of theirs, worst first.
	Dead []DeadRows

	Slots    []Slot
	Standbys int
	// ArchiveFailing is the WAL file that could not be archived, if that is the last that was tried.
	ArchiveFailing string

	ChecksumFailures int64
	InvalidIndexes   []string

	PendingRestart []string
	// FilesRead says that the server's configuration files could be looked at,
	// which takes a superuser unless somebody allowed it; FileFaults are lines
	// of theirs that the server cannot take.
	FilesRead  bool
	FileFaults []string
}

// Table is one that is declared to be there.
type Table struct {
	Where    string
	Readable bool
}

// Sessions are how many a login has.
type Sessions struct {
	Login string
	Count int
}

// Transaction is one that is open.
type Transaction struct {
	PID   int
	Login string
	State string
	Age   time.Duration
	// Prepared is its name, if it waits for the second phase of its commit.
	Prepared string
}

// Wait is a session that waits for a lock.
type Wait struct {
	PID     int
	For     time.Duration
	Blocker string
}

// Age is how many transactions ago the oldest id of a database was given.
type Age struct {
	Database     string
	Transactions int64
	Multixacts   int64
}

// DeadRows are those of a table.
type DeadRows struct {
	Table      string
	Live, Dead int64
}

// Slot is a replication slot.
type Slot struct {
	Name     string
	Active   bool
	Retained int64 // bytes of write-ahead log
	Status   string
}

// Disk is the room where the data is.
type Disk struct {
	Total, Free int64 // of what unprivileged users may have
}

// Certificate is what the server presents.
type Certificate struct {
	NotAfter time.Time
	// CANotAfter is the end of the CA that verifies it; zero where it is not known here.
	CANotAfter time.Time
	// Fault is why it is not verified.
	Fault string
}

// Backup is the newest complete one.
type Backup struct {
	// None says that there is none.
	None bool
	ID   string
	At   time.Time
	// Warning and Critical are the ages that are too much.
	Warning, Critical time.Duration
}

// Drill is the last receipt of one.
type Drill struct {
	None bool
	// Good is the last good one; Failed says that the last of all is not good.
	Good   time.Time
	Failed string
	MaxAge time.Duration
}
