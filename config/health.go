package config

// Health is what wcrdb health calls healthy.
type Health struct {
	Timeout       Duration       `json:"timeout" default:"10s" doc:"how long a login, and the query after it, may take"`
	Settling      Duration       `json:"settling" default:"10m" doc:"how long after a restart that Docker had to make the container is still worth a warning"`
	Tables        []string       `json:"tables" doc:"tables that the application cannot do without; a name alone is looked for in all of database.schemas"`
	LastMigration string         `json:"lastMigration" doc:"id of the last migration that the API expects; without it, that of the script which wcrdb migrate was given last on this machine; what is pending by a script is told with --sql"`
	Connections   PercentLimits  `json:"connections" default:"{\"warning\":80,\"critical\":95}" doc:"used connections, in percent of what there is: of the server, and of the application's share"`
	Cache         CacheLimit     `json:"cache" doc:"how much of what is read is in memory"`
	Transaction   DurationLimits `json:"transaction" default:"{\"warning\":\"5m\",\"critical\":\"1h\"}" doc:"age of the longest transaction, that of a backup left out"`
	Waiting       DurationLimits `json:"waiting" default:"{\"warning\":\"10s\",\"critical\":\"5m\"}" doc:"how long a session has been waiting for a lock"`
	Wraparound    CountLimits    `json:"wraparound" default:"{\"warning\":500000000,\"critical\":1500000000}" doc:"age of the oldest transaction id that was not frozen; at 2147483648 the server refuses to write"`
	DeadRows      DeadRowLimits  `json:"deadRows" default:"{\"warning\":20,\"critical\":50,\"atLeast\":10000}" doc:"rows of a table that are deleted and not vacuumed, in percent"`
	Retained      SizeLimits     `json:"retained" default:"{\"warning\":\"1GiB\",\"critical\":\"4GiB\"}" doc:"write-ahead log that a replication slot keeps from being removed"`
	DiskFree      PercentLimits  `json:"diskFree" default:"{\"warning\":15,\"critical\":5}" doc:"free room where the data is, in percent; less is worse"`
}

// PercentLimits are limits in percent.
type PercentLimits struct {
	Warning  int `json:"warning" doc:"what is worth a warning"`
	Critical int `json:"critical" doc:"what is critical"`
}

// DurationLimits are limits of a length of time.
type DurationLimits struct {
	Warning  Duration `json:"warning" doc:"what is worth a warning"`
	Critical Duration `json:"critical" doc:"what is critical"`
}

// CountLimits are limits of a number.
type CountLimits struct {
	Warning  int `json:"warning" doc:"what is worth a warning"`
	Critical int `json:"critical" doc:"what is critical"`
}

// SizeLimits are limits of a number of bytes.
type SizeLimits struct {
	Warning  Size `json:"warning" doc:"what is worth a warning"`
	Critical Size `json:"critical" doc:"what is critical"`
}

// CacheLimit is the hit ratio below which the cache is too small.
type CacheLimit struct {
	Ratio   int `json:"ratio" default:"95" doc:"in percent; less is worth a warning"`
	Samples int `json:"samples" default:"100000" doc:"how many blocks must have been read since statistics began before the ratio counts"`
}

// DeadRowLimits are limits of dead rows.
type DeadRowLimits struct {
	Warning  int `json:"warning" doc:"what is worth a warning"`
	Critical int `json:"critical" doc:"what is critical"`
	AtLeast  int `json:"atLeast" doc:"how many dead rows a table must have before they count"`
}
