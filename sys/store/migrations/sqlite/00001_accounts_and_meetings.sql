-- +goose Up
CREATE TABLE users (
    id           TEXT PRIMARY KEY,
    email        TEXT NOT NULL UNIQUE,
    first_name   TEXT NOT NULL DEFAULT '',
    last_name    TEXT NOT NULL DEFAULT '',
    display_name TEXT NOT NULL DEFAULT '',
    type         INTEGER NOT NULL,
    role         TEXT NOT NULL,
    password     TEXT NOT NULL DEFAULT '',
    status       TEXT NOT NULL,
    timezone     TEXT NOT NULL DEFAULT '',
    created_at   TIMESTAMP NOT NULL,
    login_at     TIMESTAMP
);

CREATE TABLE meetings (
    number     BIGINT PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    host_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    topic      TEXT NOT NULL,
    agenda     TEXT NOT NULL DEFAULT '',
    type       INTEGER NOT NULL,
    start_at   TIMESTAMP,
    duration   BIGINT NOT NULL DEFAULT 0,
    timezone   TEXT NOT NULL DEFAULT '',
    passcode   TEXT NOT NULL,
    settings   TEXT NOT NULL,
    hosting    TEXT NOT NULL,
    status     TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    deleted_at TIMESTAMP
);
CREATE INDEX meetings_host ON meetings (host_id);

-- One row for each time a meeting runs: its id changes, its number does not.
CREATE TABLE instances (
    id         TEXT PRIMARY KEY,
    number     BIGINT NOT NULL REFERENCES meetings (number) ON DELETE CASCADE,
    created_at TIMESTAMP NOT NULL,
    started_at TIMESTAMP,
    ended_at   TIMESTAMP
);
CREATE INDEX instances_number ON instances (number);

CREATE TABLE seats (
    meeting     TEXT NOT NULL REFERENCES instances (id) ON DELETE CASCADE,
    key_hash    TEXT NOT NULL,
    participant BIGINT NOT NULL,
    name        TEXT NOT NULL,
    user_id     TEXT NOT NULL DEFAULT '',
    created_at  TIMESTAMP NOT NULL,
    seen_at     TIMESTAMP NOT NULL,
    ejected_at  TIMESTAMP,
    PRIMARY KEY (meeting, key_hash),
    UNIQUE (meeting, participant)
);

-- A home without a router has been released; the row keeps the epoch, which only rises.
CREATE TABLE homes (
    meeting    TEXT PRIMARY KEY REFERENCES instances (id) ON DELETE CASCADE,
    router     TEXT NOT NULL,
    zone       TEXT NOT NULL,
    epoch      BIGINT NOT NULL,
    claimed_at TIMESTAMP NOT NULL
);

CREATE TABLE sessions (
    hash       TEXT PRIMARY KEY,
    user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind       TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    expires_at TIMESTAMP NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id);

CREATE TABLE enrolments (
    hash       TEXT PRIMARY KEY,
    role       TEXT NOT NULL,
    zone       TEXT NOT NULL DEFAULT '',
    server     TEXT NOT NULL DEFAULT '',
    names      TEXT NOT NULL DEFAULT '',
    created_at TIMESTAMP NOT NULL,
    expires_at TIMESTAMP NOT NULL,
    used_at    TIMESTAMP
);

CREATE TABLE secrets (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
);

-- +goose Down
DROP TABLE secrets;
DROP TABLE enrolments;
DROP TABLE sessions;
DROP TABLE homes;
DROP TABLE seats;
DROP TABLE instances;
DROP TABLE meetings;
DROP TABLE users;
