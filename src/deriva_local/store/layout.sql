-- What every catalog's database holds beside its tables. Run once, when the template database is made.
--   data   live rows, one table t<id> per table of the model
--   past   superseded rows, same columns, plus valid_until
--   meta   snapshots, versions of the model, RIDs, and the functions below
-- Every live table begins with valid_from; columns c1 to c5 are RID, RCT, RMT, RCB, RMB.
-- A writing transaction sets deriva.snaptime and deriva.client (meta.begin_write); all its rows carry these.

CREATE SCHEMA data;
CREATE SCHEMA past;
CREATE SCHEMA meta;

-- One row per transaction that changed something. Its latest is the catalog's clock.
CREATE TABLE meta.snapshot (snaptime timestamptz PRIMARY KEY, client text);

-- The model's versions, each from the snapshot that made it.
CREATE TABLE meta.model (valid_from timestamptz PRIMARY KEY, document jsonb NOT NULL);

CREATE SEQUENCE meta.rid_number MINVALUE 0 START WITH {first_rid};

CREATE FUNCTION meta.snaptime() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE
  RETURN current_setting('deriva.snaptime')::timestamptz;

CREATE FUNCTION meta.client() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
  RETURN nullif(current_setting('deriva.client'), '');

-- A number as a RID: base 32, groups of four digits from the right, no leading zeros. All pairs of digits stand in a table,
-- so that ten bits take one look-up; of bytes, because finding a place in a text means counting characters up to it.
CREATE FUNCTION meta.rid(number bigint) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
  pairs CONSTANT bytea := '{digit_pairs}';
  high bigint := number >> 20;
  low text := encode(substr(pairs, ((number >> 10) & 1023)::int * 2 + 1, 2)
                     || substr(pairs, (number & 1023)::int * 2 + 1, 2), 'escape');
BEGIN
  IF high = 0 THEN
    RETURN coalesce(nullif(ltrim(low, '0'), ''), '0');
  ELSIF high < 1024 THEN
    RETURN ltrim(encode(substr(pairs, high::int * 2 + 1, 2), 'escape'), '0') || '-' || low;
  END IF;
  RETURN meta.rid(high) || '-' || low;
END $$;

CREATE FUNCTION meta.next_rid() RETURNS text LANGUAGE sql VOLATILE
  RETURN meta.rid(nextval('meta.rid_number'));

-- Waits for other writers, then takes the next moment of the clock. The clock moves only at meta.end_write.
CREATE FUNCTION meta.begin_write(client text, OUT snaptime timestamptz, OUT model_version timestamptz)
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(1);
  SELECT greatest(clock_timestamp(), max(s.snaptime) + interval '1 microsecond') INTO snaptime FROM meta.snapshot s;
  SELECT max(m.valid_from) INTO model_version FROM meta.model m;
  PERFORM set_config('deriva.snaptime', snaptime::text, true),
          set_config('deriva.client', coalesce(client, ''), true),
          set_config('deriva.changed', '', true);
END $$;

-- Records the snapshot if any row or the model has changed in this transaction.
CREATE FUNCTION meta.end_write() RETURNS void LANGUAGE sql
BEGIN ATOMIC
  INSERT INTO meta.snapshot SELECT meta.snaptime(), meta.client() WHERE current_setting('deriva.changed') <> '';
END;

CREATE FUNCTION meta.mark_changed() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('deriva.changed', 'yes', true);
END $$;

CREATE FUNCTION meta.on_model_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM meta.mark_changed();
  RETURN NULL;
END $$;
CREATE TRIGGER changed AFTER INSERT ON meta.model FOR EACH STATEMENT EXECUTE FUNCTION meta.on_model_change();

-- Row trigger before UPDATE: RID, RCT and RCB never change, the rest is this transaction's.
CREATE FUNCTION meta.before_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.c1 := OLD.c1;
  NEW.c2 := OLD.c2;
  NEW.c3 := meta.snaptime();
  NEW.c4 := OLD.c4;
  NEW.c5 := meta.client();
  NEW.valid_from := NEW.c3;
  RETURN NEW;
END $$;

-- Statement trigger after INSERT: inserted rows need no history, only the clock must move.
CREATE FUNCTION meta.after_insert() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM new_rows) THEN
    PERFORM meta.mark_changed();
  END IF;
  RETURN NULL;
END $$;

-- Statement trigger after UPDATE and DELETE: keeps the rows that were, unless they are of this same snapshot.
CREATE FUNCTION meta.after_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM old_rows) THEN
    PERFORM meta.mark_changed();
    EXECUTE format('INSERT INTO past.%I SELECT meta.snaptime(), o.* FROM old_rows o WHERE o.valid_from < meta.snaptime()',
                   TG_TABLE_NAME);
  END IF;
  RETURN NULL;
END $$;

-- Row trigger before INSERT, with arguments column, template, column, template, …: where the column is null it gets
-- the template with {{RID}} replaced by the row's own.
CREATE FUNCTION meta.fill_templates() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  present jsonb := to_jsonb(NEW);
BEGIN
  FOR place IN 0 .. TG_NARGS - 1 BY 2 LOOP
    IF present ->> TG_ARGV[place] IS NULL THEN
      NEW := jsonb_populate_record(
        NEW, jsonb_build_object(TG_ARGV[place], replace(TG_ARGV[place + 1], '{{RID}}', NEW.c1)));
    END IF;
  END LOOP;
  RETURN NEW;
END $$;
