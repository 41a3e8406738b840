BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE api_keys (
	name TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	role TEXT NOT NULL, 
	firm_id TEXT, 
	created_at_ns BIGINT NOT NULL, 
	CONSTRAINT pk_api_keys PRIMARY KEY (name), 
	CONSTRAINT uq_api_keys_digest UNIQUE (digest)
);
INSERT INTO "api_keys" VALUES('console','00','admin',NULL,1);
CREATE TABLE consumers (
	consumer TEXT NOT NULL, 
	position BIGINT NOT NULL, 
	counters TEXT NOT NULL, 
	CONSTRAINT pk_consumers PRIMARY KEY (consumer)
);
INSERT INTO "consumers" VALUES('pipeline',9,'{}');
CREATE TABLE deliveries (
	number INTEGER NOT NULL, 
	notification_id TEXT NOT NULL, 
	attempt BIGINT NOT NULL, 
	at_ns BIGINT NOT NULL, 
	outcome TEXT NOT NULL, 
	detail TEXT NOT NULL, 
	retry_after_s DOUBLE, 
	CONSTRAINT pk_deliveries PRIMARY KEY (number), 
	CONSTRAINT fk_deliveries_notification_id FOREIGN KEY(notification_id) REFERENCES notifications (id)
);
INSERT INTO "deliveries" VALUES(1,'N-1',1,9,'retry','503',1.5);
CREATE TABLE equipment (
	id TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	slot BIGINT NOT NULL, 
	name_zh TEXT NOT NULL, 
	name_en TEXT NOT NULL, 
	area_path TEXT NOT NULL, 
	address TEXT NOT NULL, 
	latitude DOUBLE, 
	longitude DOUBLE, 
	place_class TEXT NOT NULL, 
	user_unit TEXT NOT NULL, 
	user_contact TEXT NOT NULL, 
	maintenance_firm TEXT NOT NULL, 
	installed_on DATE, 
	inspection_due_on DATE, 
	registered BOOLEAN, 
	gateway_id TEXT NOT NULL, 
	dialect TEXT NOT NULL, 
	report_interval_s DOUBLE, 
	rated_speed_mps DOUBLE, 
	floors BIGINT, 
	express_zone_m DOUBLE, 
	rated_pressure_mpa DOUBLE, 
	safety_valve_set_mpa DOUBLE, 
	rated_evaporation_tph DOUBLE, 
	rated_load_t DOUBLE, 
	load_chart TEXT NOT NULL, 
	classification TEXT NOT NULL, 
	wind_limit_mps DOUBLE, 
	CONSTRAINT pk_equipment PRIMARY KEY (id), 
	CONSTRAINT uq_equipment_kind_slot UNIQUE (kind, slot)
);
INSERT INTO "equipment" VALUES('L-1','lift',0,'一号梯','','','',NULL,NULL,'','','','F-1',NULL,NULL,NULL,'','',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'[]','',NULL);
INSERT INTO "equipment" VALUES('C-1','crane',0,'','','','',NULL,NULL,'','','','',NULL,NULL,NULL,'','',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'[[3.0,10.0],[6.0,4.5]]','',NULL);
CREATE TABLE findings (
	number INTEGER NOT NULL, 
	id TEXT NOT NULL, 
	detector TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	equipment_id TEXT NOT NULL, 
	level TEXT NOT NULL, 
	phase TEXT NOT NULL, 
	onset_ns BIGINT NOT NULL, 
	detected_at_ns BIGINT NOT NULL, 
	position BIGINT NOT NULL, 
	late BOOLEAN NOT NULL, 
	evidence TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	incident_id TEXT, 
	disposition TEXT NOT NULL, 
	CONSTRAINT pk_findings PRIMARY KEY (number), 
	CONSTRAINT uq_findings_id UNIQUE (id)
);
INSERT INTO "findings" VALUES(1,'e60fdc3cfa1cd20b1a65c825b68ce06e','entrapment','entrapment_at_level','L-1','suspected','raised',5,1,1,0,'[{"name":"stopped_s","value":40,"unit":"","log_odds":null,"since_ns":null}]','','I-1','opened');
CREATE TABLE firms (
	id TEXT NOT NULL, 
	name_zh TEXT NOT NULL, 
	name_en TEXT NOT NULL, 
	phone TEXT NOT NULL, 
	webhook_url TEXT NOT NULL, 
	webhook_secret TEXT NOT NULL, 
	mqtt_notify BOOLEAN NOT NULL, 
	CONSTRAINT pk_firms PRIMARY KEY (id)
);
INSERT INTO "firms" VALUES('F-1','','Example Lifts','','','example',1);
CREATE TABLE identifiers (
	equipment_id TEXT NOT NULL, 
	ordinal BIGINT NOT NULL, 
	scheme TEXT NOT NULL, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_identifiers PRIMARY KEY (equipment_id, ordinal), 
	CONSTRAINT fk_identifiers_equipment_id FOREIGN KEY(equipment_id) REFERENCES equipment (id)
);
INSERT INTO "identifiers" VALUES('L-1',0,'rescue_code','12345');
CREATE TABLE incident_events (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	incident_id TEXT NOT NULL, 
	at_ns BIGINT NOT NULL, 
	actor TEXT NOT NULL, 
	action TEXT NOT NULL, 
	state TEXT NOT NULL, 
	note TEXT NOT NULL
);
INSERT INTO "incident_events" VALUES(1,'I-1',1,'user:ann','commented','open','first');
CREATE TABLE incidents (
	number INTEGER NOT NULL, 
	id TEXT NOT NULL, 
	"case" TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	equipment_id TEXT NOT NULL, 
	firm_id TEXT NOT NULL, 
	level TEXT NOT NULL, 
	state TEXT NOT NULL, 
	opened_at_ns BIGINT NOT NULL, 
	detected_at_ns BIGINT NOT NULL, 
	late BOOLEAN NOT NULL, 
	levels TEXT NOT NULL, 
	finding_ids TEXT NOT NULL, 
	condition_ended_at_ns BIGINT, 
	acknowledged_at_ns BIGINT, 
	acknowledged_by TEXT, 
	closed_at_ns BIGINT, 
	close_reason TEXT, 
	CONSTRAINT pk_incidents PRIMARY KEY (number), 
	CONSTRAINT uq_incidents_id UNIQUE (id)
);
INSERT INTO "incidents" VALUES(1,'I-1','rescue','alarm_button','L-1','F-1','suspected','open',1700000000123456789,1700000000123456790,0,'[{"level":"suspected","kind":"alarm_button","at_ns":7}]','["f"]',NULL,NULL,NULL,NULL,NULL);
CREATE TABLE notifications (
	number INTEGER NOT NULL, 
	id TEXT NOT NULL, 
	incident_id TEXT NOT NULL, 
	occasion TEXT NOT NULL, 
	channel TEXT NOT NULL, 
	receiver TEXT NOT NULL, 
	body TEXT NOT NULL, 
	created_at_ns BIGINT NOT NULL, 
	due_at_ns BIGINT NOT NULL, 
	attempts BIGINT NOT NULL, 
	outcome TEXT, 
	CONSTRAINT pk_notifications PRIMARY KEY (number), 
	CONSTRAINT uq_notifications_id UNIQUE (id)
);
INSERT INTO "notifications" VALUES(1,'N-1','I-1','opened','webhook','F-1','{"text": "困人"}',0,50,1,NULL);
CREATE TABLE quarantine_entries (
	id INTEGER NOT NULL, 
	reason TEXT NOT NULL, 
	sender TEXT NOT NULL, 
	topic TEXT NOT NULL, 
	detail TEXT NOT NULL, 
	count BIGINT NOT NULL, 
	first_at_ns BIGINT NOT NULL, 
	last_at_ns BIGINT NOT NULL, 
	payload BLOB NOT NULL, 
	CONSTRAINT pk_quarantine_entries PRIMARY KEY (id), 
	CONSTRAINT uq_quarantine_entries_reason_sender UNIQUE (reason, sender)
);
INSERT INTO "quarantine_entries" VALUES(1,'not_json','L-1','ew/v1/lift/L-1/status','detail 1',1,1,1,X'7061796C6F61642031');
CREATE TABLE quarantine_originals (
	number INTEGER NOT NULL, 
	entry_id INTEGER NOT NULL, 
	reason TEXT NOT NULL, 
	position BIGINT NOT NULL, 
	"index" BIGINT NOT NULL, 
	item BIGINT NOT NULL, 
	topic TEXT NOT NULL, 
	sender TEXT NOT NULL, 
	payload BLOB NOT NULL, 
	received_at_ns BIGINT NOT NULL, 
	detail TEXT NOT NULL, 
	CONSTRAINT pk_quarantine_originals PRIMARY KEY (number), 
	CONSTRAINT fk_quarantine_originals_entry_id FOREIGN KEY(entry_id) REFERENCES quarantine_entries (id)
);
INSERT INTO "quarantine_originals" VALUES(1,1,'not_json',1,0,-1,'ew/v1/lift/L-1/status','L-1',X'7061796C6F61642031',1,'detail 1');
CREATE TABLE quarantine_seen (
	number INTEGER NOT NULL, 
	position BIGINT NOT NULL, 
	"index" BIGINT NOT NULL, 
	item BIGINT NOT NULL, 
	CONSTRAINT pk_quarantine_seen PRIMARY KEY (number), 
	CONSTRAINT uq_quarantine_seen_position_index_item UNIQUE (position, "index", item)
);
INSERT INTO "quarantine_seen" VALUES(1,1,0,-1);
CREATE TABLE registry_state (
	id BIGINT NOT NULL, 
	version BIGINT NOT NULL, 
	CONSTRAINT pk_registry_state PRIMARY KEY (id)
);
INSERT INTO "registry_state" VALUES(1,1);
CREATE TABLE users (
	name TEXT NOT NULL, 
	password_hash TEXT NOT NULL, 
	role TEXT NOT NULL, 
	firm_id TEXT, 
	created_at_ns BIGINT NOT NULL, 
	CONSTRAINT pk_users PRIMARY KEY (name)
);
INSERT INTO "users" VALUES('ann','x','operator',NULL,1);
CREATE INDEX ix_equipment_maintenance_firm ON equipment (maintenance_firm);
CREATE INDEX ix_identifiers_value ON identifiers (value);
CREATE INDEX ix_incidents_detected_at_ns ON incidents (detected_at_ns);
CREATE INDEX ix_incidents_equipment_id_case_detected_at_ns ON incidents (equipment_id, "case", detected_at_ns);
CREATE UNIQUE INDEX uq_incidents_open_case ON incidents (equipment_id, "case") WHERE state NOT IN ('closed', 'resolved');
CREATE INDEX ix_incident_events_incident_id ON incident_events (incident_id);
CREATE INDEX ix_findings_detected_at_ns ON findings (detected_at_ns);
CREATE INDEX ix_findings_equipment_id_detected_at_ns ON findings (equipment_id, detected_at_ns);
CREATE INDEX ix_notifications_incident_id ON notifications (incident_id);
CREATE INDEX ix_notifications_undecided ON notifications (due_at_ns) WHERE outcome IS NULL;
CREATE INDEX ix_deliveries_notification_id ON deliveries (notification_id);
CREATE INDEX ix_quarantine_entries_last_at_ns ON quarantine_entries (last_at_ns);
CREATE INDEX ix_quarantine_originals_entry_id ON quarantine_originals (entry_id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('incident_events',1);
COMMIT;
