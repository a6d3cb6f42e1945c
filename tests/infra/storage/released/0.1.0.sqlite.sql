BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('serving_0001');
INSERT INTO "alembic_version" VALUES('monitoring_0001');
INSERT INTO "alembic_version" VALUES('lineage_0001');
INSERT INTO "alembic_version" VALUES('launch_0001');
INSERT INTO "alembic_version" VALUES('features_0001');
INSERT INTO "alembic_version" VALUES('storage_0001');
CREATE TABLE features_definition (
	project TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	name TEXT NOT NULL, 
	version INTEGER NOT NULL, 
	meaning TEXT NOT NULL, 
	body TEXT NOT NULL, 
	owner TEXT NOT NULL, 
	description TEXT NOT NULL, 
	tags TEXT NOT NULL, 
	applied_us BIGINT NOT NULL, 
	seal TEXT NOT NULL, 
	PRIMARY KEY (project, kind, name, version)
);
CREATE TABLE features_progress (
	project TEXT NOT NULL, 
	"view" TEXT NOT NULL, 
	version INTEGER NOT NULL, 
	place TEXT NOT NULL, 
	source_version BIGINT NOT NULL, 
	source_rows BIGINT NOT NULL, 
	until_us BIGINT NOT NULL, 
	sequence BIGINT NOT NULL, 
	moved_us BIGINT NOT NULL, 
	seal TEXT NOT NULL, 
	PRIMARY KEY (project, "view", version, place)
);
CREATE TABLE launch_project (
	name TEXT NOT NULL, 
	owner TEXT NOT NULL, 
	description TEXT NOT NULL, 
	made_us BIGINT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "launch_project" VALUES('maps','Map Services','arrival times',1795455821542319);
CREATE TABLE lineage_artifact (
	project TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	size_bytes BIGINT NOT NULL, 
	reference TEXT NOT NULL, 
	at_us BIGINT NOT NULL, 
	PRIMARY KEY (project, digest, kind)
);
INSERT INTO "lineage_artifact" VALUES('default','461b06088af6528a5584517dd01a204856b291c4eead2bf678c9a6cc0e615623','json',9,'',1795455821553285);
INSERT INTO "lineage_artifact" VALUES('default','1e1d0f251d3a76fa2b1bfc81164078572623403887db02988b504b0492e9f076','json',6,'',1795455821555749);
INSERT INTO "lineage_artifact" VALUES('default','4a80277f8c5bb140c48db83f0db75c17c10ee4ed0286d7a237be45c27343aea7','json',2999,'',1795455821556276);
INSERT INTO "lineage_artifact" VALUES('default','be9edc615fe88dbb559d1c1a856c41fbc4c2bc1f38485d323070693adb8607c5','json',890,'',1795455821556276);
CREATE TABLE lineage_input (
	run TEXT NOT NULL, 
	step INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	project TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	reference TEXT NOT NULL, 
	seal TEXT NOT NULL, 
	PRIMARY KEY (run, step, name)
);
CREATE TABLE lineage_memo (
	project TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	function TEXT NOT NULL, 
	parts TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	size_bytes BIGINT NOT NULL, 
	reference TEXT NOT NULL, 
	run TEXT NOT NULL, 
	step INTEGER NOT NULL, 
	seal TEXT NOT NULL, 
	PRIMARY KEY (project, "key")
);
CREATE TABLE lineage_metric (
	number INTEGER NOT NULL, 
	run TEXT NOT NULL, 
	project TEXT NOT NULL, 
	name TEXT NOT NULL, 
	step BIGINT NOT NULL, 
	value DOUBLE, 
	at_us BIGINT NOT NULL, 
	checksum BIGINT NOT NULL, 
	PRIMARY KEY (number)
);
INSERT INTO "lineage_metric" VALUES(1,'20261123T174341-3b7a4ea2','default','loss',3,0.25,1795455821573578,3531235046);
INSERT INTO "lineage_metric" VALUES(2,'20261123T174341-3b7a4ea2','default','nothing',0,NULL,1795455821574545,2561962766);
CREATE TABLE lineage_move (
	id INTEGER NOT NULL, 
	project TEXT NOT NULL, 
	model TEXT NOT NULL, 
	partition TEXT NOT NULL, 
	alias TEXT NOT NULL, 
	"before" INTEGER, 
	"after" INTEGER, 
	"by" TEXT NOT NULL, 
	why TEXT NOT NULL, 
	at_us BIGINT NOT NULL, 
	seal TEXT NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "lineage_move" VALUES(1,'default','eta','','champion',NULL,2,'me','better',1795455821586929,'714197d4a0068577e0d85841658a8619');
CREATE TABLE lineage_run (
	id TEXT NOT NULL, 
	project TEXT NOT NULL, 
	name TEXT NOT NULL, 
	status TEXT NOT NULL, 
	parent TEXT NOT NULL, 
	params TEXT NOT NULL, 
	seeds TEXT NOT NULL, 
	code TEXT NOT NULL, 
	lock TEXT NOT NULL, 
	manifest TEXT NOT NULL, 
	holder TEXT NOT NULL, 
	started_us BIGINT NOT NULL, 
	ended_us BIGINT, 
	error TEXT NOT NULL, 
	seal TEXT NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "lineage_run" VALUES('20261123T174341-3b7a4ea2','default','training','finished','','{}','{}','{}','4a80277f8c5bb140c48db83f0db75c17c10ee4ed0286d7a237be45c27343aea7','be9edc615fe88dbb559d1c1a856c41fbc4c2bc1f38485d323070693adb8607c5','{"host":"vm","pid":13509,"started":1795455820.03}',1795455821556276,1795455821577415,'','7599a630fd1db3e9d42c322ed8bb233b');
CREATE TABLE lineage_step (
	run TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	project TEXT NOT NULL, 
	parent INTEGER NOT NULL, 
	function TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	status TEXT NOT NULL, 
	memoized BOOLEAN NOT NULL, 
	digest TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	size_bytes BIGINT NOT NULL, 
	reference TEXT NOT NULL, 
	started_us BIGINT NOT NULL, 
	seconds DOUBLE NOT NULL, 
	error TEXT NOT NULL, 
	seal TEXT NOT NULL, 
	PRIMARY KEY (run, number)
);
CREATE TABLE lineage_use (
	project TEXT NOT NULL, 
	model TEXT NOT NULL, 
	partition TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	reference TEXT NOT NULL, 
	at TEXT NOT NULL, 
	seal TEXT NOT NULL, 
	PRIMARY KEY (project, model, partition, number, reference, at)
);
INSERT INTO "lineage_use" VALUES('default','eta','',1,'table:default/flights','1','e4c81732bbf071348a1db43f825a08c6');
CREATE TABLE lineage_version (
	project TEXT NOT NULL, 
	model TEXT NOT NULL, 
	partition TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	package TEXT NOT NULL, 
	run TEXT NOT NULL, 
	cells TEXT NOT NULL, 
	reports TEXT NOT NULL, 
	parents TEXT NOT NULL, 
	held_out BOOLEAN NOT NULL, 
	notes TEXT NOT NULL, 
	created_us BIGINT NOT NULL, 
	seal TEXT NOT NULL, 
	PRIMARY KEY (project, model, partition, number)
);
INSERT INTO "lineage_version" VALUES('default','eta','',1,'461b06088af6528a5584517dd01a204856b291c4eead2bf678c9a6cc0e615623','20261123T174341-3b7a4ea2','[]','{"evaluation": "1e1d0f251d3a76fa2b1bfc81164078572623403887db02988b504b0492e9f076"}','[]',0,'',1795455821582626,'25f86222425f743e689278da4b968074');
INSERT INTO "lineage_version" VALUES('default','eta','',2,'1e1d0f251d3a76fa2b1bfc81164078572623403887db02988b504b0492e9f076','20261123T174341-3b7a4ea2','[]','{}','[]',0,'',1795455821586069,'e8670c715c5672265e14c044e27cc06e');
CREATE TABLE monitoring_alert (
	project TEXT NOT NULL, 
	endpoint TEXT NOT NULL, 
	monitor TEXT NOT NULL, 
	segment TEXT NOT NULL, 
	from_us BIGINT NOT NULL, 
	to_us BIGINT NOT NULL, 
	value DOUBLE NOT NULL, 
	threshold DOUBLE NOT NULL, 
	version TEXT NOT NULL, 
	raised_us BIGINT NOT NULL, 
	PRIMARY KEY (project, endpoint, monitor, segment, from_us, to_us)
);
INSERT INTO "monitoring_alert" VALUES('default','eta','accuracy mae','',0,86400000000,20.0,15.0,'eta@3',9);
CREATE TABLE serving_deployment (
	project TEXT NOT NULL, 
	endpoint TEXT NOT NULL, 
	generation INTEGER NOT NULL, 
	wanted TEXT NOT NULL, 
	"by" TEXT NOT NULL, 
	at_us BIGINT NOT NULL, 
	PRIMARY KEY (project, endpoint, generation)
);
CREATE TABLE serving_layout (
	digest TEXT NOT NULL, 
	project TEXT NOT NULL, 
	endpoint TEXT NOT NULL, 
	fields TEXT NOT NULL, 
	PRIMARY KEY (digest)
);
CREATE TABLE serving_ledger (
	project TEXT NOT NULL, 
	endpoint TEXT NOT NULL, 
	through BIGINT NOT NULL, 
	dropped BIGINT NOT NULL, 
	PRIMARY KEY (project, endpoint)
);
CREATE TABLE serving_server (
	server TEXT NOT NULL, 
	project TEXT NOT NULL, 
	url TEXT NOT NULL, 
	pid INTEGER NOT NULL, 
	beat_us BIGINT NOT NULL, 
	PRIMARY KEY (server)
);
CREATE TABLE serving_state (
	server TEXT NOT NULL, 
	project TEXT NOT NULL, 
	endpoint TEXT NOT NULL, 
	generation INTEGER NOT NULL, 
	state TEXT NOT NULL, 
	conditions TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	at_us BIGINT NOT NULL, 
	PRIMARY KEY (server, project, endpoint)
);
CREATE TABLE storage_change (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	topic TEXT NOT NULL, 
	subject TEXT NOT NULL, 
	at_us BIGINT NOT NULL, 
	seal TEXT NOT NULL
);
INSERT INTO "storage_change" VALUES(1,'models','eta',7,'fe3000d276c70d47ba7db53e328c3bd6');
INSERT INTO "storage_change" VALUES(2,'models','über ''x''
',7,'f445cccacf4fc8193e4b3b2ef26bc6d7');
INSERT INTO "storage_change" VALUES(3,'versions','model:default/eta@1',1795455821582626,'cbee5a23ef5b663a5dd599f0334e880d');
INSERT INTO "storage_change" VALUES(4,'versions','model:default/eta@2',1795455821586069,'56e1ba85862713f24e598144386e8050');
INSERT INTO "storage_change" VALUES(5,'aliases','model:default/eta@champion',1795455821586929,'f16a3d74602c80fb983a474f92a4de54');
CREATE TABLE storage_lease (
	name TEXT NOT NULL, 
	number BIGINT NOT NULL, 
	holder TEXT NOT NULL, 
	until_us BIGINT NOT NULL, 
	seal TEXT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "storage_lease" VALUES('batch',1,'me',11000000,'4925af366578b2743a82252f51f783b3');
CREATE INDEX lineage_run_project ON lineage_run (project, started_us);
CREATE INDEX lineage_step_function ON lineage_step (project, function, started_us);
CREATE INDEX lineage_step_digest ON lineage_step (digest);
CREATE INDEX lineage_input_digest ON lineage_input (digest);
CREATE INDEX lineage_metric_run ON lineage_metric (run);
CREATE INDEX lineage_version_package ON lineage_version (package);
CREATE INDEX lineage_use_reference ON lineage_use (reference);
CREATE INDEX lineage_move_model ON lineage_move (project, model);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('storage_change',5);
COMMIT;
