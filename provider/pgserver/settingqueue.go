package pgserver

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/pulumi/pulumi-go-provider/infer"
)

// settingQueue does together what is asked at the same time of one server: while a batch is under way,
// all that is asked meanwhile gathers for the next. So many settings share a few reloads, and one that is
// alone waits for nobody.
type settingQueue struct {
	server  dialer
	mutex   sync.Mutex
	waiting map[string][]*settingTask // by the server's address; an entry means that a batch is under way
}

// settingTask is a setting to read, or to change as well.
type settingTask struct {
	ctx    context.Context //nolint:containedctx // of the one who asks, not of the batch
	name   string
	change bool
	value  *string // nil resets the setting

	found settingFound
	err   error
	done  chan struct{}
}

func newSettingQueue(server dialer) *settingQueue {
	return &settingQueue{server: server, waiting: map[string][]*settingTask{}}
}

// read finds what a server says of a setting.
func (q *settingQueue) read(ctx context.Context, name string) (settingFound, error) {
	return q.await(&settingTask{ctx: ctx, name: name, done: make(chan struct{})})
}

// change makes a setting, or resets it, and finds what has become of it.
func (q *settingQueue) change(ctx context.Context, name string, value *string) (settingFound, error) {
	return q.await(&settingTask{ctx: ctx, name: name, change: true, value: value, done: make(chan struct{})})
}

// await returns when a batch has done the task. Who is cancelled while it is under way still hears how
// it ended.
func (q *settingQueue) await(task *settingTask) (settingFound, error) {
	config := infer.GetConfig[Config](task.ctx)
	server := config.address()
	q.mutex.Lock()
	waiting, busy := q.waiting[server]
	q.waiting[server] = append(waiting, task)
	q.mutex.Unlock()
	if !busy {
		go q.work(server, config)
	}
	<-task.done
	return task.found, task.err
}

// work does batch after batch, until nothing is left to do.
func (q *settingQueue) work(server string, config Config) {
	for {
		q.mutex.Lock()
		batch := q.waiting[server]
		if len(batch) == 0 {
			delete(q.waiting, server)
			q.mutex.Unlock()
			return
		}
		q.waiting[server] = nil
		q.mutex.Unlock()
		doBatch(q.server, config, batch)
	}
}

// doBatch does all tasks whose askers have not gone. It gives up when all of them are cancelled.
func doBatch(server dialer, config Config, tasks []*settingTask) {
	var batch settingBatch
	ctx, cancel := context.WithCancel(context.WithoutCancel(tasks[0].ctx))
	defer cancel()
	var left atomic.Int64
	for _, task := range tasks {
		defer close(task.done)
		if task.err = task.ctx.Err(); task.err != nil {
			continue
		}
		batch = append(batch, task)
		left.Add(1)
	}
	for _, task := range batch {
		stop := context.AfterFunc(task.ctx, func() {
			if left.Add(-1) == 0 {
				cancel()
			}
		})
		defer stop()
	}
	if len(batch) > 0 {
		batch.do(ctx, server, config)
	}
}
