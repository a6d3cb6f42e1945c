CREATE TABLE alembic_version (
    version_num character varying(32) NOT NULL COLLATE pg_catalog."C"
);
CREATE TABLE features_definition (
    project text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    version integer NOT NULL,
    meaning text NOT NULL COLLATE pg_catalog."C",
    body text NOT NULL COLLATE pg_catalog."C",
    owner text NOT NULL COLLATE pg_catalog."C",
    description text NOT NULL COLLATE pg_catalog."C",
    tags text NOT NULL COLLATE pg_catalog."C",
    applied_us bigint NOT NULL,
    seal text NOT NULL COLLATE pg_catalog."C"
);
CREATE TABLE features_progress (
    project text NOT NULL COLLATE pg_catalog."C",
    view text NOT NULL COLLATE pg_catalog."C",
    version integer NOT NULL,
    place text NOT NULL COLLATE pg_catalog."C",
    source_version bigint NOT NULL,
    source_rows bigint NOT NULL,
    until_us bigint NOT NULL,
    sequence bigint NOT NULL,
    moved_us bigint NOT NULL,
    seal text NOT NULL COLLATE pg_catalog."C"
);
CREATE TABLE launch_project (
    name text NOT NULL COLLATE pg_catalog."C",
    owner text NOT NULL COLLATE pg_catalog."C",
    description text NOT NULL COLLATE pg_catalog."C",
    made_us bigint NOT NULL
);
CREATE TABLE lineage_artifact (
    project text NOT NULL COLLATE pg_catalog."C",
    digest text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    size_bytes bigint NOT NULL,
    reference text NOT NULL COLLATE pg_catalog."C",
    at_us bigint NOT NULL
);
CREATE TABLE lineage_input (
    run text NOT NULL COLLATE pg_catalog."C",
    step integer NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    project text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    digest text NOT NULL COLLATE pg_catalog."C",
    reference text NOT NULL COLLATE pg_catalog."C",
    seal text NOT NULL COLLATE pg_catalog."C"
);
CREATE TABLE lineage_memo (
    project text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL COLLATE pg_catalog."C",
    function text NOT NULL COLLATE pg_catalog."C",
    parts text NOT NULL COLLATE pg_catalog."C",
    digest text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    size_bytes bigint NOT NULL,
    reference text NOT NULL COLLATE pg_catalog."C",
    run text NOT NULL COLLATE pg_catalog."C",
    step integer NOT NULL,
    seal text NOT NULL COLLATE pg_catalog."C"
);
CREATE TABLE lineage_metric (
    number bigint NOT NULL,
    run text NOT NULL COLLATE pg_catalog."C",
    project text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    step bigint NOT NULL,
    value double precision,
    at_us bigint NOT NULL,
    checksum bigint NOT NULL
);
CREATE SEQUENCE lineage_metric_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE lineage_metric_number_seq OWNED BY lineage_metric.number;
CREATE TABLE lineage_move (
    id bigint NOT NULL,
    project text NOT NULL COLLATE pg_catalog."C",
    model text NOT NULL COLLATE pg_catalog."C",
    partition text NOT NULL COLLATE pg_catalog."C",
    alias text NOT NULL COLLATE pg_catalog."C",
    before integer,
    after integer,
    by text NOT NULL COLLATE pg_catalog."C",
    why text NOT NULL COLLATE pg_catalog."C",
    at_us bigint NOT NULL,
    seal text NOT NULL COLLATE pg_catalog."C"
);
CREATE SEQUENCE lineage_move_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE lineage_move_id_seq OWNED BY lineage_move.id;
CREATE TABLE lineage_run (
    id text NOT NULL COLLATE pg_catalog."C",
    project text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    status text NOT NULL COLLATE pg_catalog."C",
    parent text NOT NULL COLLATE pg_catalog."C",
    params text NOT NULL COLLATE pg_catalog."C",
    seeds text NOT NULL COLLATE pg_catalog."C",
    code text NOT NULL COLLATE pg_catalog."C",
    lock text NOT NULL COLLATE pg_catalog."C",
    manifest text NOT NULL COLLATE pg_catalog."C",
    holder text NOT NULL COLLATE pg_catalog."C",
    started_us bigint NOT NULL,
    ended_us bigint,
    error text NOT NULL COLLATE pg_catalog."C",
    seal text NOT NULL COLLATE pg_catalog."C"
);
CREATE TABLE lineage_step (
    run text NOT NULL COLLATE pg_catalog."C",
    number integer NOT NULL,
    project text NOT NULL COLLATE pg_catalog."C",
    parent integer NOT NULL,
    function text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL COLLATE pg_catalog."C",
    status text NOT NULL COLLATE pg_catalog."C",
    memoized boolean NOT NULL,
    digest text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    size_bytes bigint NOT NULL,
    reference text NOT NULL COLLATE pg_catalog."C",
    started_us bigint NOT NULL,
    seconds double precision NOT NULL,
    error text NOT NULL COLLATE pg_catalog."C",
    seal text NOT NULL COLLATE pg_catalog."C"
);
CREATE TABLE lineage_use (
    project text NOT NULL COLLATE pg_catalog."C",
    model text NOT NULL COLLATE pg_catalog."C",
    partition text NOT NULL COLLATE pg_catalog."C",
    number integer NOT NULL,
    reference text NOT NULL COLLATE pg_catalog."C",
    at text NOT NULL COLLATE pg_catalog."C",
    seal text NOT NULL COLLATE pg_catalog."C"
);
CREATE TABLE lineage_version (
    project text NOT NULL COLLATE pg_catalog."C",
    model text NOT NULL COLLATE pg_catalog."C",
    partition text NOT NULL COLLATE pg_catalog."C",
    number integer NOT NULL,
    package text NOT NULL COLLATE pg_catalog."C",
    run text NOT NULL COLLATE pg_catalog."C",
    cells text NOT NULL COLLATE pg_catalog."C",
    reports text NOT NULL COLLATE pg_catalog."C",
    parents text NOT NULL COLLATE pg_catalog."C",
    held_out boolean NOT NULL,
    notes text NOT NULL COLLATE pg_catalog."C",
    created_us bigint NOT NULL,
    seal text NOT NULL COLLATE pg_catalog."C"
);
CREATE TABLE monitoring_alert (
    project text NOT NULL COLLATE pg_catalog."C",
    endpoint text NOT NULL COLLATE pg_catalog."C",
    monitor text NOT NULL COLLATE pg_catalog."C",
    segment text NOT NULL COLLATE pg_catalog."C",
    from_us bigint NOT NULL,
    to_us bigint NOT NULL,
    value double precision NOT NULL,
    threshold double precision NOT NULL,
    version text NOT NULL COLLATE pg_catalog."C",
    raised_us bigint NOT NULL
);
CREATE TABLE serving_deployment (
    project text NOT NULL COLLATE pg_catalog."C",
    endpoint text NOT NULL COLLATE pg_catalog."C",
    generation integer NOT NULL,
    wanted text NOT NULL COLLATE pg_catalog."C",
    by text NOT NULL COLLATE pg_catalog."C",
    at_us bigint NOT NULL
);
CREATE TABLE serving_layout (
    digest text NOT NULL COLLATE pg_catalog."C",
    project text NOT NULL COLLATE pg_catalog."C",
    endpoint text NOT NULL COLLATE pg_catalog."C",
    fields text NOT NULL COLLATE pg_catalog."C"
);
CREATE TABLE serving_ledger (
    project text NOT NULL COLLATE pg_catalog."C",
    endpoint text NOT NULL COLLATE pg_catalog."C",
    through bigint NOT NULL,
    dropped bigint NOT NULL
);
CREATE TABLE serving_server (
    server text NOT NULL COLLATE pg_catalog."C",
    project text NOT NULL COLLATE pg_catalog."C",
    url text NOT NULL COLLATE pg_catalog."C",
    pid integer NOT NULL,
    beat_us bigint NOT NULL
);
CREATE TABLE serving_state (
    server text NOT NULL COLLATE pg_catalog."C",
    project text NOT NULL COLLATE pg_catalog."C",
    endpoint text NOT NULL COLLATE pg_catalog."C",
    generation integer NOT NULL,
    state text NOT NULL COLLATE pg_catalog."C",
    conditions text NOT NULL COLLATE pg_catalog."C",
    reason text NOT NULL COLLATE pg_catalog."C",
    at_us bigint NOT NULL
);
CREATE TABLE storage_change (
    number bigint NOT NULL,
    topic text NOT NULL COLLATE pg_catalog."C",
    subject text NOT NULL COLLATE pg_catalog."C",
    at_us bigint NOT NULL,
    seal text NOT NULL COLLATE pg_catalog."C"
);
CREATE SEQUENCE storage_change_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE storage_change_number_seq OWNED BY storage_change.number;
CREATE TABLE storage_lease (
    name text NOT NULL COLLATE pg_catalog."C",
    number bigint NOT NULL,
    holder text NOT NULL COLLATE pg_catalog."C",
    until_us bigint NOT NULL,
    seal text NOT NULL COLLATE pg_catalog."C"
);
ALTER TABLE ONLY lineage_metric ALTER COLUMN number SET DEFAULT nextval('lineage_metric_number_seq'::regclass);
ALTER TABLE ONLY lineage_move ALTER COLUMN id SET DEFAULT nextval('lineage_move_id_seq'::regclass);
ALTER TABLE ONLY storage_change ALTER COLUMN number SET DEFAULT nextval('storage_change_number_seq'::regclass);
INSERT INTO alembic_version VALUES ('serving_0001');
INSERT INTO alembic_version VALUES ('monitoring_0001');
INSERT INTO alembic_version VALUES ('lineage_0001');
INSERT INTO alembic_version VALUES ('launch_0001');
INSERT INTO alembic_version VALUES ('features_0001');
INSERT INTO alembic_version VALUES ('storage_0001');
INSERT INTO launch_project VALUES ('maps', 'Map Services', 'arrival times', 1795455822274813);
INSERT INTO lineage_artifact VALUES ('default', '461b06088af6528a5584517dd01a204856b291c4eead2bf678c9a6cc0e615623', 'json', 9, '', 1795455822283264);
INSERT INTO lineage_artifact VALUES ('default', '1e1d0f251d3a76fa2b1bfc81164078572623403887db02988b504b0492e9f076', 'json', 6, '', 1795455822287916);
INSERT INTO lineage_artifact VALUES ('default', '4a80277f8c5bb140c48db83f0db75c17c10ee4ed0286d7a237be45c27343aea7', 'json', 2999, '', 1795455822288706);
INSERT INTO lineage_artifact VALUES ('default', '90c28dba9069c98d34b3f9ae3ed998e4ab1c33d4d860520ab9c41d05f6c728ca', 'json', 906, '', 1795455822288706);
INSERT INTO lineage_metric VALUES (1, '20261123T174342-135a0618', 'default', 'loss', 3, 0.25, 1795455822299446, 3182299232);
INSERT INTO lineage_metric VALUES (2, '20261123T174342-135a0618', 'default', 'nothing', 0, 'NaN', 1795455822301346, 2892146066);
INSERT INTO lineage_move VALUES (1, 'default', 'eta', '', 'champion', NULL, 2, 'me', 'better', 1795455822310492, '3834bad23856acad69c9d57c1a8cc409');
INSERT INTO lineage_run VALUES ('20261123T174342-135a0618', 'default', 'training', 'finished', '', '{}', '{}', '{}', '4a80277f8c5bb140c48db83f0db75c17c10ee4ed0286d7a237be45c27343aea7', '90c28dba9069c98d34b3f9ae3ed998e4ab1c33d4d860520ab9c41d05f6c728ca', '{"host":"vm","pid":13509,"started":1795455820.03}', 1795455822288706, 1795455822302185, '', '28e57c525b2cd0a05621d3ecb8bf8122');
INSERT INTO lineage_use VALUES ('default', 'eta', '', 1, 'table:default/flights', '1', 'e4c81732bbf071348a1db43f825a08c6');
INSERT INTO lineage_version VALUES ('default', 'eta', '', 1, '461b06088af6528a5584517dd01a204856b291c4eead2bf678c9a6cc0e615623', '20261123T174342-135a0618', '[]', '{"evaluation": "1e1d0f251d3a76fa2b1bfc81164078572623403887db02988b504b0492e9f076"}', '[]', false, '', 1795455822303585, 'f4d184cce8609e646b73ad3a457ee0ef');
INSERT INTO lineage_version VALUES ('default', 'eta', '', 2, '1e1d0f251d3a76fa2b1bfc81164078572623403887db02988b504b0492e9f076', '20261123T174342-135a0618', '[]', '{}', '[]', false, '', 1795455822308725, '2f3f190b679d253af3972e7ad40f4898');
INSERT INTO monitoring_alert VALUES ('default', 'eta', 'accuracy mae', '', 0, 86400000000, 20, 15, 'eta@3', 9);
INSERT INTO storage_change VALUES (1, 'models', 'eta', 7, 'fe3000d276c70d47ba7db53e328c3bd6');
INSERT INTO storage_change VALUES (2, 'models', 'über ''x''
', 7, 'f445cccacf4fc8193e4b3b2ef26bc6d7');
INSERT INTO storage_change VALUES (3, 'versions', 'model:default/eta@1', 1795455822303585, '393a499d43c35e38b7e4fb05876819ff');
INSERT INTO storage_change VALUES (4, 'versions', 'model:default/eta@2', 1795455822308725, '1cd3af17d8af6fa1f9be64b2d0f16fe0');
INSERT INTO storage_change VALUES (5, 'aliases', 'model:default/eta@champion', 1795455822310492, '8f207790133ca2ea878766d787c7f542');
INSERT INTO storage_lease VALUES ('batch', 1, 'me', 11000000, '4925af366578b2743a82252f51f783b3');
SELECT pg_catalog.setval('lineage_metric_number_seq', 2, true);
SELECT pg_catalog.setval('lineage_move_id_seq', 1, true);
SELECT pg_catalog.setval('storage_change_number_seq', 5, true);
ALTER TABLE ONLY alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY features_definition
    ADD CONSTRAINT features_definition_pkey PRIMARY KEY (project, kind, name, version);
ALTER TABLE ONLY features_progress
    ADD CONSTRAINT features_progress_pkey PRIMARY KEY (project, view, version, place);
ALTER TABLE ONLY launch_project
    ADD CONSTRAINT launch_project_pkey PRIMARY KEY (name);
ALTER TABLE ONLY lineage_artifact
    ADD CONSTRAINT lineage_artifact_pkey PRIMARY KEY (project, digest, kind);
ALTER TABLE ONLY lineage_input
    ADD CONSTRAINT lineage_input_pkey PRIMARY KEY (run, step, name);
ALTER TABLE ONLY lineage_memo
    ADD CONSTRAINT lineage_memo_pkey PRIMARY KEY (project, key);
ALTER TABLE ONLY lineage_metric
    ADD CONSTRAINT lineage_metric_pkey PRIMARY KEY (number);
ALTER TABLE ONLY lineage_move
    ADD CONSTRAINT lineage_move_pkey PRIMARY KEY (id);
ALTER TABLE ONLY lineage_run
    ADD CONSTRAINT lineage_run_pkey PRIMARY KEY (id);
ALTER TABLE ONLY lineage_step
    ADD CONSTRAINT lineage_step_pkey PRIMARY KEY (run, number);
ALTER TABLE ONLY lineage_use
    ADD CONSTRAINT lineage_use_pkey PRIMARY KEY (project, model, partition, number, reference, at);
ALTER TABLE ONLY lineage_version
    ADD CONSTRAINT lineage_version_pkey PRIMARY KEY (project, model, partition, number);
ALTER TABLE ONLY monitoring_alert
    ADD CONSTRAINT monitoring_alert_pkey PRIMARY KEY (project, endpoint, monitor, segment, from_us, to_us);
ALTER TABLE ONLY serving_deployment
    ADD CONSTRAINT serving_deployment_pkey PRIMARY KEY (project, endpoint, generation);
ALTER TABLE ONLY serving_layout
    ADD CONSTRAINT serving_layout_pkey PRIMARY KEY (digest);
ALTER TABLE ONLY serving_ledger
    ADD CONSTRAINT serving_ledger_pkey PRIMARY KEY (project, endpoint);
ALTER TABLE ONLY serving_server
    ADD CONSTRAINT serving_server_pkey PRIMARY KEY (server);
ALTER TABLE ONLY serving_state
    ADD CONSTRAINT serving_state_pkey PRIMARY KEY (server, project, endpoint);
ALTER TABLE ONLY storage_change
    ADD CONSTRAINT storage_change_pkey PRIMARY KEY (number);
ALTER TABLE ONLY storage_lease
    ADD CONSTRAINT storage_lease_pkey PRIMARY KEY (name);
CREATE INDEX lineage_input_digest ON lineage_input USING btree (digest);
CREATE INDEX lineage_metric_run ON lineage_metric USING btree (run);
CREATE INDEX lineage_move_model ON lineage_move USING btree (project, model);
CREATE INDEX lineage_run_project ON lineage_run USING btree (project, started_us);
CREATE INDEX lineage_step_digest ON lineage_step USING btree (digest);
CREATE INDEX lineage_step_function ON lineage_step USING btree (project, function, started_us);
CREATE INDEX lineage_use_reference ON lineage_use USING btree (reference);
CREATE INDEX lineage_version_package ON lineage_version USING btree (package);
