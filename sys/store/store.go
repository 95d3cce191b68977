// Package store keeps the durable facts of a site: accounts, meetings, who has which seat, where a
// meeting lives, sessions and enrolments. It is the only package with SQL and the only importer of
// the database drivers. What is live (load, presence, who speaks) is never stored here; it travels on
// the bus and heals itself.
//
// Every method is one transaction. Times come in as parameters, are kept in UTC with millisecond
// precision, and come back in UTC.
package store

import (
	"cmp"
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	sqlite "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

//go:embed migrations/sqlite/*.sql
var migrations embed.FS

// The errors callers switch on. They come wrapped: use errors.Is.
var (
	ErrNotFound  = errors.New("not found")
	ErrExists    = errors.New("exists already")
	ErrEnded     = errors.New("meeting has ended")
	ErrLastAdmin = errors.New("the site would have no administrator left")
	ErrExpired   = errors.New("expired or used")
	ErrEjected   = errors.New("a host has removed this person")
)

// Config says where the database is.
type Config struct {
	// Path of the SQLite file; made when it is not there. Empty: a private database in memory, which
	// is gone after Close.
	Path string
	// Readers bounds the connections that read at the same time. 0: 4. In memory there is always one.
	Readers int
}

// Store is safe for concurrent use.
type Store struct {
	// SQLite has one writer at a time. Queueing for it in a pool of one connection costs nothing; in the
	// database's own lock it would cost busy retries with back-off.
	write *bun.DB
	read  *bun.DB
	hot   map[string]*sql.Stmt // of read
	seat  *sql.Stmt            // of write: hotSeat
	lock  *os.File             // held while the database is open; nil in memory
}

// Open opens the database, brings its schema up to date and returns the store.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	readers := cfg.Readers
	if readers <= 0 {
		readers = 4
	}
	s := &Store{}
	if cfg.Path != "" {
		var err error
		if s.lock, err = lock(cfg.Path + ".lock"); err != nil {
			return nil, fmt.Errorf("opening database %s: %w", cfg.Path, err)
		}
		// SQLite would make it readable for everybody; its side files get the same mode as the database.
		f, err := os.OpenFile(cfg.Path, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			s.Close()
			return nil, fmt.Errorf("opening database: %w", err)
		}
		if err := f.Close(); err != nil {
			s.Close()
			return nil, fmt.Errorf("opening database: %w", err)
		}
	}
	write, err := openPool(cfg.Path, 1, true)
	if err != nil {
		s.Close()
		return nil, err
	}
	s.write, s.read = write, write
	if err := migrate(ctx, write.DB); err != nil {
		s.Close()
		return nil, err
	}
	if cfg.Path != "" {
		if s.read, err = openPool(cfg.Path, readers, false); err != nil {
			s.read = write
			s.Close()
			return nil, err
		}
	}
	s.hot = make(map[string]*sql.Stmt)
	for _, q := range []string{hotMeeting, hotInstance, hotHome} {
		if s.hot[q], err = s.read.DB.PrepareContext(ctx, q); err != nil {
			s.Close()
			return nil, fmt.Errorf("opening database: %w", err)
		}
	}
	if s.seat, err = s.write.DB.PrepareContext(ctx, hotSeat); err != nil {
		s.Close()
		return nil, fmt.Errorf("opening database: %w", err)
	}
	return s, nil
}

// What every lookup asks is prepared: to parse it anew takes longer than to answer it.
const (
	hotMeeting  = "SELECT * FROM meetings WHERE number = ? AND deleted_at IS NULL"
	hotInstance = "SELECT * FROM instances WHERE id = ? AND number IN (SELECT number FROM meetings WHERE deleted_at IS NULL)"
	hotHome     = "SELECT * FROM homes WHERE meeting = ?"
)

// one reads the row a prepared query finds into a model; sql.ErrNoRows if there is none.
func (s *Store) one(ctx context.Context, query string, arg, model any) error {
	// Two goroutines would wait for ctx to end, for longer than one row by its key takes.
	rows, err := s.hot[query].QueryContext(context.WithoutCancel(ctx), arg)
	if err != nil {
		return err
	}
	defer rows.Close()
	if !rows.Next() {
		return cmp.Or(rows.Err(), sql.ErrNoRows)
	}
	if err := s.read.ScanRow(ctx, rows, model); err != nil {
		return err
	}
	return rows.Err()
}

// openPool makes a pool of at most n connections. Writers take the write lock when a transaction
// begins: one that only took it at its first write could find that another had written meanwhile.
func openPool(path string, n int, writer bool) (*bun.DB, error) {
	pragmas := url.Values{"_pragma": {"busy_timeout(5000)", "foreign_keys(1)", "journal_mode(WAL)", "synchronous(NORMAL)"}}
	if writer {
		pragmas.Set("_txlock", "immediate")
	}
	dsn := "file::memory:?" + pragmas.Encode()
	if path != "" {
		dsn = "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + pragmas.Encode()
	}
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("opening database: %w", err)
	}
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
	db.SetConnMaxLifetime(0)
	return bun.NewDB(db, sqlitedialect.New(), bun.WithDiscardUnknownColumns()), nil
}

func migrate(ctx context.Context, db *sql.DB) error {
	dir, err := fs.Sub(migrations, "migrations/sqlite")
	if err != nil {
		return fmt.Errorf("reading migrations: %w", err)
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, dir,
		goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return fmt.Errorf("reading migrations: %w", err)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrating database: %w", err)
	}
	return nil
}

// Close ends all work with the database.
func (s *Store) Close() error {
	var errs []error
	for _, stmt := range s.hot {
		if stmt != nil {
			errs = append(errs, stmt.Close())
		}
	}
	if s.seat != nil {
		errs = append(errs, s.seat.Close())
	}
	if s.read != nil && s.read != s.write {
		errs = append(errs, s.read.Close())
	}
	if s.write != nil {
		errs = append(errs, s.write.Close())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	return errors.Join(errs...)
}

// ErrInUse says that another process has the database open. Two processes over one file would each have a
// bus of their own, and split every meeting between them without a word.
var ErrInUse = errors.New("another process uses it")

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	var one int
	if err := s.read.NewRaw("SELECT 1").Scan(ctx, &one); err != nil {
		return fmt.Errorf("asking database: %w", err)
	}
	return nil
}

// update runs f in a transaction that holds the write lock from its beginning.
func (s *Store) update(ctx context.Context, f func(tx bun.Tx) error) error {
	return s.write.RunInTx(ctx, nil, func(_ context.Context, tx bun.Tx) error { return f(tx) })
}

// Secret returns the secret of this name, which make makes the first time anybody asks, so that all
// web servers of a site share it.
func (s *Store) Secret(ctx context.Context, name string, make func() []byte) ([]byte, error) {
	var value []byte
	err := s.update(ctx, func(tx bun.Tx) error {
		_, err := tx.NewRaw("INSERT INTO secrets (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING", name, make()).Exec(ctx)
		if err != nil {
			return err
		}
		return tx.NewRaw("SELECT value FROM secrets WHERE name = ?", name).Scan(ctx, &value)
	})
	return value, classify("reading secret", err)
}

// Purge removes what nobody can use any more: expired sessions, enrolments a month after their end,
// meetings deleted more than 30 days ago, and the seats of instances that ended, or that were last taken,
// as long ago.
func (s *Store) Purge(ctx context.Context, now time.Time) error {
	month := stamp(now.Add(-30 * 24 * time.Hour))
	err := s.update(ctx, func(tx bun.Tx) error {
		for _, q := range []struct {
			sql string
			at  time.Time
		}{
			{"DELETE FROM sessions WHERE expires_at <= ?", stamp(now)},
			{"DELETE FROM enrolments WHERE expires_at <= ?", month},
			{"DELETE FROM meetings WHERE deleted_at <= ?", month},
			{"DELETE FROM seats WHERE meeting IN (SELECT id FROM instances WHERE ended_at <= ?)", month},
			// No token lives that long, and an instance may go on for years.
			{"DELETE FROM seats WHERE seen_at <= ? AND ejected_at IS NULL", month},
		} {
			if _, err := tx.NewRaw(q.sql, q.at).Exec(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	return classify("purging", err)
}

// stamp is a time as it is kept.
func stamp(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Millisecond)
}

// classify turns the driver's errors into this package's and says what was being done.
func classify(doing string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("%s: %w", doing, ErrNotFound)
	}
	var se *sqlite.Error
	if errors.As(err, &se) {
		switch se.Code() {
		case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
			return fmt.Errorf("%s: %w", doing, ErrExists)
		}
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// changed is ErrNotFound when a statement touched no row.
func changed(r sql.Result, err error) error {
	if err != nil {
		return err
	}
	n, err := r.RowsAffected()
	if err != nil {
		return err
	}
	if n == 0 {
		return ErrNotFound
	}
	return nil
}
