package backup

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"

	"filippo.io/age"
	"golang.org/x/sync/errgroup"
)

const (
	buffered = 1 << 20  // how much is written to disk at once
	queued   = 512      // how many of the program's writes may wait, which are of some 32 KiB
	unsynced = 64 << 20 // how much the disk may be behind
)

// sink writes a file of a backup, encrypted if there are recipients, and
// remembers what the manifest says of it, and why it could not be written. It
// works beside the program whose output it takes, which so waits for neither
// cipher nor disk.
type sink struct {
	name   string
	file   *os.File
	buffer *bufio.Writer
	cipher io.WriteCloser // nil where nothing is encrypted

	queue  chan []byte
	broken chan struct{} // closed with the first fault
	ended  chan struct{} // closed when the queue is

	plain, stored hash.Hash
	written       int64
	err           error // of the work; read it when that has ended

	syncs  errgroup.Group // one at a time
	synced int64
}

func newSink(dir, name string, recipients []age.Recipient) (*sink, error) {
	made := &sink{
		name: name, plain: sha256.New(), stored: sha256.New(),
		queue: make(chan []byte, queued), broken: make(chan struct{}), ended: make(chan struct{}),
	}
	made.syncs.SetLimit(1)
	if len(recipients) > 0 {
		made.name += EncryptedSuffix
	}
	var err error
	if made.file, err = os.OpenFile(filepath.Join(dir, made.name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600); err != nil {
		return nil, err
	}
	made.buffer = bufio.NewWriterSize(storing{made}, buffered)
	if len(recipients) > 0 {
		if made.cipher, err = age.Encrypt(made.buffer, recipients...); err != nil {
			return nil, errors.Join(err, made.file.Close())
		}
	}
	go made.work()
	return made, nil
}

// work stores what is queued, until the queue is closed.
func (s *sink) work() {
	defer close(s.ended)
	for data := range s.queue {
		if s.err != nil {
			continue
		}
		if s.err = s.store(data); s.err != nil {
			close(s.broken)
		}
	}
}

func (s *sink) store(data []byte) error {
	if s.cipher == nil {
		_, err := s.buffer.Write(data)
		return err
	}
	s.plain.Write(data)
	_, err := s.cipher.Write(data)
	return err
}

// storing is what of a sink ends up on disk.
type storing struct{ *sink }

func (s storing) Write(data []byte) (int, error) {
	n, err := s.file.Write(data)
	s.stored.Write(data[:n])
	s.written += int64(n)
	if s.written-s.synced >= unsynced && s.syncs.TryGo(s.file.Sync) {
		s.synced = s.written
	}
	return n, err
}

// Write takes plain content.
func (s *sink) Write(data []byte) (int, error) {
	select {
	case <-s.broken:
		return 0, errBroken
	case s.queue <- slices.Clone(data):
		return len(data), nil
	}
}

// errBroken stops the program; why is in the sink's err.
var errBroken = errors.New("the file of the backup cannot be written")

// end awaits the work.
func (s *sink) end() {
	close(s.queue)
	<-s.ended
	s.err = errors.Join(s.err, s.syncs.Wait())
}

// finish makes the file last, and says what the manifest says of it.
func (s *sink) finish() (File, error) {
	s.end()
	if s.cipher != nil {
		s.err = errors.Join(s.err, s.cipher.Close())
	}
	s.err = errors.Join(s.err, s.buffer.Flush(), s.file.Sync(), s.file.Close())
	file := File{Name: s.name, Size: s.written, SHA256: text(s.stored), PlainSHA256: text(s.stored)}
	if s.cipher != nil {
		file.PlainSHA256, file.Encrypted = text(s.plain), true
	}
	return file, s.err
}

// drop closes a file that is not wanted, and says why it could not be written.
func (s *sink) drop() (fault, err error) {
	s.end()
	return s.err, s.file.Close()
}
