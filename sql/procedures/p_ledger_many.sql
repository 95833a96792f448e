-- SPDX-License-Identifier: Apache-2.0
DELIMITER //

-- The same steps as ledger_authorize and ledger_settle for many calls at once, in one transaction and a handful of
-- statements. They do the ordinary case only and answer one row for each step that they did: the request id, then the
-- columns of the single procedure. What is not in the answer has not been done and has to be asked for one by one,
-- where every other case is treated: a refusal, too little room for all of them together, a repeated request id, a
-- hold that is no longer open. Should anything fail, nothing has been done.
--
-- Figures and order of locks are those of the single procedures (see there); of several rows of a table, the lowest
-- number first, which is the order that GROUP BY gives the updates. READ COMMITTED is needed: in stricter levels an
-- INSERT ... SELECT locks the rows that it reads.

-- p_steps: [[request id, key hash in hex, model, price model, prompt bound, prompt likely, output limit, output max,
-- choices, time to live in s], ...]
CREATE OR REPLACE PROCEDURE ledger_authorize_many(IN p_steps LONGTEXT CHARACTER SET utf8mb4)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Ledger: ledger_authorize for many calls at once, as far as they need no special treatment'
many: BEGIN
    DECLARE v_now DATETIME(6) DEFAULT UTC_TIMESTAMP(6);
    DECLARE v_day DATE DEFAULT v_now;
    DECLARE v_new, v_known, v_keys, v_members, v_teams, v_accounts INT UNSIGNED;
    DECLARE v_fits BOOLEAN;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    START TRANSACTION;
    INSERT INTO hold (id, account_id, key_id, member_id, team_id, model_id, price_id, markup, hold_usd, output_limit,
        created_at, expires_at)
    SELECT w.id, w.account_id, w.key_id, w.member_id, w.team_id, w.model_id, w.price_id, w.markup,
        ROUND((w.bound * w.in_usd + w.answer * w.choices * w.out_usd) * 0.000001 * (1 + w.markup), 9), w.answer,
        v_now, v_now + INTERVAL w.ttl_s SECOND
    FROM (
        SELECT r.*, CASE
                WHEN r.output_max = 0 THEN 0
                WHEN r.output_limit > 0 THEN LEAST(r.output_limit, r.output_max)
                WHEN r.out_usd = 0 THEN r.output_max
                ELSE LEAST(r.output_max, GREATEST(256, GREATEST(r.room, 0) * 125000
                    DIV (r.out_usd * r.choices * (1 + r.markup)))) END AS answer
        FROM (
            SELECT s.id, s.model_id, s.bound, s.output_limit, s.output_max, s.choices, s.ttl_s,
                k.id AS key_id, a.id AS account_id, k.member_id, t.id AS team_id, p.id AS price_id,
                COALESCE(a.markup_override, tier.markup) AS markup,
                IF(s.bound > p.above_tokens, GREATEST(p.max_input_usd, p.above_max_input_usd), p.max_input_usd)
                    AS in_usd,
                IF(s.bound > p.above_tokens, GREATEST(p.max_output_usd, p.above_max_output_usd), p.max_output_usd)
                    AS out_usd,
                LEAST(COALESCE(k.cap_usd - k.held_usd - IF(v_day < k.window_end, k.spent_usd, 0), 999999999),
                    COALESCE(m.cap_usd - m.held_usd - IF(v_day < m.window_end, m.spent_usd, 0), 999999999),
                    COALESCE(t.cap_usd - t.held_usd - IF(v_day < t.window_end, t.spent_usd, 0), 999999999),
                    COALESCE(a.cap_usd - a.held_usd - IF(v_day < a.window_end, a.spent_usd, 0), 999999999),
                    a.balance_usd - a.held_usd) AS room
            FROM JSON_TABLE(p_steps, '$[*]' COLUMNS (
                    id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin PATH '$[0]', key_hex CHAR(64) PATH '$[1]',
                    model_id INT UNSIGNED PATH '$[2]', price_model_id INT UNSIGNED PATH '$[3]',
                    bound BIGINT UNSIGNED PATH '$[4]', output_limit BIGINT UNSIGNED PATH '$[6]',
                    output_max BIGINT UNSIGNED PATH '$[7]', choices INT UNSIGNED PATH '$[8]',
                    ttl_s INT UNSIGNED PATH '$[9]')) s
                STRAIGHT_JOIN api_key k ON k.key_hash = UNHEX(s.key_hex)
                LEFT JOIN api_key_model x ON k.models_limited AND x.key_id = k.id AND x.model_id = s.model_id
                STRAIGHT_JOIN account o ON o.id = k.account_id
                LEFT JOIN team_member m ON m.id = k.member_id
                LEFT JOIN team t ON t.id = m.team_id
                STRAIGHT_JOIN account a ON a.id = COALESCE(t.account_id, k.account_id)
                STRAIGHT_JOIN tier ON tier.id = a.tier_id
                STRAIGHT_JOIN price p ON p.id = (
                    SELECT v.id FROM price v
                    WHERE v.model_id = s.price_model_id AND v.variant = '' AND v.valid_from <= v_now
                    ORDER BY v.valid_from DESC LIMIT 1)
            WHERE k.enabled AND COALESCE(m.enabled, 1) AND (k.expires_at IS NULL OR k.expires_at > v_now)
                AND a.enabled AND o.enabled AND COALESCE(t.enabled, 1) AND p.input_usd IS NOT NULL
                AND (NOT k.models_limited OR (x.key_id IS NOT NULL AND s.price_model_id = s.model_id))
        ) r
    ) w
    WHERE ROUND((w.bound * w.in_usd + w.answer * w.choices * w.out_usd) * 0.000001 * (1 + w.markup), 9) <= w.room;
    SET v_new = ROW_COUNT();

    -- Were one of the holds older, because its step is repeated but would be refused now, the updates would count it
    -- once more. A hold of nothing changes no row but the key's.
    SELECT COUNT(*), COUNT(DISTINCT h.key_id), COUNT(DISTINCT IF(h.hold_usd > 0, h.member_id, NULL)),
        COUNT(DISTINCT IF(h.hold_usd > 0, h.team_id, NULL)), COUNT(DISTINCT IF(h.hold_usd > 0, h.account_id, NULL))
    INTO v_known, v_keys, v_members, v_teams, v_accounts
    FROM JSON_TABLE(p_steps, '$[*]' COLUMNS (id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin PATH '$[0]')) s
        STRAIGHT_JOIN hold h ON h.id = s.id;

    IF v_known <> v_new THEN
        ROLLBACK;
        SELECT NULL AS request_id FROM DUAL WHERE FALSE;
        LEAVE many;
    END IF;

    UPDATE (
            SELECT h.key_id, SUM(h.hold_usd) AS usd
            FROM JSON_TABLE(p_steps, '$[*]' COLUMNS (id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin PATH '$[0]')) s
                STRAIGHT_JOIN hold h ON h.id = s.id
            GROUP BY h.key_id) b
        STRAIGHT_JOIN api_key k ON k.id = b.key_id
    SET k.held_usd = k.held_usd + b.usd, k.last_used_at = v_now
    WHERE (k.cap_usd IS NULL
        OR k.cap_usd - k.held_usd - IF(v_day < k.window_end, k.spent_usd, 0) >= b.usd);
    SET v_fits = ROW_COUNT() = v_keys;
    IF v_fits AND v_members > 0 THEN
        UPDATE (
                SELECT h.member_id, SUM(h.hold_usd) AS usd
                FROM JSON_TABLE(p_steps, '$[*]' COLUMNS (id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin PATH '$[0]')) s
                    STRAIGHT_JOIN hold h ON h.id = s.id
                GROUP BY h.member_id) b
            STRAIGHT_JOIN team_member m ON m.id = b.member_id
        SET m.held_usd = m.held_usd + b.usd
        WHERE (m.cap_usd IS NULL
            OR m.cap_usd - m.held_usd - IF(v_day < m.window_end, m.spent_usd, 0) >= b.usd);
        SET v_fits = ROW_COUNT() = v_members;
        IF v_fits THEN
            UPDATE (
                    SELECT h.team_id, SUM(h.hold_usd) AS usd
                    FROM JSON_TABLE(p_steps, '$[*]' COLUMNS (id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin PATH '$[0]')) s
                        STRAIGHT_JOIN hold h ON h.id = s.id
                    GROUP BY h.team_id) b
                STRAIGHT_JOIN team t ON t.id = b.team_id
            SET t.held_usd = t.held_usd + b.usd
            WHERE (t.cap_usd IS NULL
                OR t.cap_usd - t.held_usd - IF(v_day < t.window_end, t.spent_usd, 0) >= b.usd);
            SET v_fits = ROW_COUNT() = v_teams;
        END IF;
    END IF;
    IF v_fits THEN
        UPDATE (
                SELECT h.account_id, SUM(h.hold_usd) AS usd
                FROM JSON_TABLE(p_steps, '$[*]' COLUMNS (id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin PATH '$[0]')) s
                    STRAIGHT_JOIN hold h ON h.id = s.id
                GROUP BY h.account_id) b
            STRAIGHT_JOIN account a ON a.id = b.account_id
        SET a.held_usd = a.held_usd + b.usd
        WHERE a.balance_usd - a.held_usd >= b.usd AND (a.cap_usd IS NULL
            OR a.cap_usd - a.held_usd - IF(v_day < a.window_end, a.spent_usd, 0) >= b.usd);
        SET v_fits = ROW_COUNT() = v_accounts;
    END IF;
    IF NOT v_fits THEN
        ROLLBACK;
        SELECT NULL AS request_id FROM DUAL WHERE FALSE;
        LEAVE many;
    END IF;
    COMMIT;
    SELECT h.id AS request_id, 'held' AS outcome, NULL AS scope, h.key_id, h.account_id, h.hold_usd, h.output_limit,
        NULL AS limit_usd, NULL AS spent_usd, NULL AS held_usd, NULL AS need_usd, NULL AS fit_tokens, NULL AS resets_at,
        h.markup, h.price_id
    FROM JSON_TABLE(p_steps, '$[*]' COLUMNS (id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin PATH '$[0]')) s
        STRAIGHT_JOIN hold h ON h.id = s.id;
END //

-- p_steps: [[request id, input, cached, cache write 5 min, cache write 1 h, output, reasoning tokens, upstream cost,
-- estimated, status, provider, upstream model, hedged from, stream, HTTP status, first byte ms, duration ms], ...]
CREATE OR REPLACE PROCEDURE ledger_settle_many(IN p_steps LONGTEXT CHARACTER SET utf8mb4)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Ledger: ledger_settle for many calls at once, as far as they need no special treatment'
many: BEGIN
    DECLARE v_now DATETIME(6) DEFAULT UTC_TIMESTAMP(6);
    DECLARE v_day DATE DEFAULT v_now;
    DECLARE v_members INT UNSIGNED;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    START TRANSACTION;
    UPDATE JSON_TABLE(p_steps, '$[*]' COLUMNS (id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin PATH '$[0]')) s
        STRAIGHT_JOIN hold h ON h.id = s.id
    SET h.state = 'settled', h.resolved_at = v_now
    WHERE h.state = 'open';
    IF ROW_COUNT() <> JSON_LENGTH(p_steps) THEN
        ROLLBACK;
        SELECT NULL AS request_id FROM DUAL WHERE FALSE;
        LEAVE many;
    END IF;

    INSERT INTO usage_log (request_id, created_at, settled_at, account_id, key_id, member_id, team_id, model_id,
        price_id, markup, status, estimated, late, stream, http_status, provider, upstream_model, hedged_from,
        input_tokens, cached_tokens, cache_write_5m_tokens, cache_write_1h_tokens, output_tokens, reasoning_tokens,
        upstream_cost_usd, cost_usd, hold_usd, charge_usd, absorbed_usd, first_byte_ms, duration_ms)
    SELECT c.id, c.created_at, v_now, c.account_id, c.key_id, c.member_id, c.team_id, c.model_id,
        c.price_id, c.markup, c.status, c.estimated, 0, c.stream, c.http_status, c.provider, c.upstream_model,
        c.hedged_from,
        c.input, c.cached, c.write_5m, c.write_1h, c.output, c.reasoning,
        c.upstream_cost, ROUND(c.cost, 9), c.hold_usd,
        LEAST(c.hold_usd, ROUND(c.cost * (1 + c.markup), 9), 999999999),
        LEAST(ROUND(c.cost * (1 + c.markup), 9), 999999999)
            - LEAST(c.hold_usd, ROUND(c.cost * (1 + c.markup), 9), 999999999),
        c.first_byte_ms, c.duration_ms
    FROM (
        SELECT r.*, CAST(COALESCE(r.upstream_cost, 0.000001
                * IF(r.input + r.cached + r.write_5m + r.write_1h > p.above_tokens,
                    r.input * p.above_input_usd
                        + r.cached * COALESCE(p.above_cached_input_usd, p.above_input_usd)
                        + r.write_5m * COALESCE(p.above_cache_write_5m_usd, p.above_input_usd)
                        + r.write_1h * COALESCE(p.above_cache_write_1h_usd, p.above_input_usd)
                        + (r.output - r.reasoning) * COALESCE(p.above_output_usd, 0)
                        + r.reasoning * COALESCE(p.above_reasoning_usd, p.above_output_usd, 0),
                    r.input * p.input_usd
                        + r.cached * COALESCE(p.cached_input_usd, p.input_usd)
                        + r.write_5m * COALESCE(p.cache_write_5m_usd, p.input_usd)
                        + r.write_1h * COALESCE(p.cache_write_1h_usd, p.input_usd)
                        + (r.output - r.reasoning) * COALESCE(p.output_usd, 0)
                        + r.reasoning * COALESCE(p.reasoning_usd, p.output_usd, 0))) AS DECIMAL(38,15)) AS cost
        FROM (
            SELECT s.*, h.created_at, h.account_id, h.key_id, h.member_id, h.team_id, h.model_id, h.price_id, h.markup,
                h.hold_usd, LEAST(s.reasoning_said, s.output) AS reasoning
            FROM JSON_TABLE(p_steps, '$[*]' COLUMNS (
                    id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin PATH '$[0]',
                    input INT UNSIGNED PATH '$[1]', cached INT UNSIGNED PATH '$[2]',
                    write_5m INT UNSIGNED PATH '$[3]', write_1h INT UNSIGNED PATH '$[4]',
                    output INT UNSIGNED PATH '$[5]', reasoning_said INT UNSIGNED PATH '$[6]',
                    upstream_cost DECIMAL(27,15) PATH '$[7]', estimated TINYINT PATH '$[8]',
                    status VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin PATH '$[9]',
                    provider VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin PATH '$[10]',
                    upstream_model VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin PATH '$[11]',
                    hedged_from VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin PATH '$[12]',
                    stream TINYINT PATH '$[13]', http_status SMALLINT UNSIGNED PATH '$[14]',
                    first_byte_ms INT UNSIGNED PATH '$[15]', duration_ms INT UNSIGNED PATH '$[16]')) s
                STRAIGHT_JOIN hold h ON h.id = s.id
        ) r
            STRAIGHT_JOIN price p ON p.id = r.price_id
    ) c;
    IF ROW_COUNT() <> JSON_LENGTH(p_steps) THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'ledger_settle_many: a price version is missing';
    END IF;

    INSERT INTO ledger (account_id, kind, amount_usd, reference, usage_at, created_at)
    SELECT u.account_id, 'charge', -u.charge_usd, u.request_id, u.created_at, v_now
    FROM JSON_TABLE(p_steps, '$[*]' COLUMNS (id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin PATH '$[0]')) s
        STRAIGHT_JOIN hold h ON h.id = s.id
        STRAIGHT_JOIN usage_log u ON u.request_id = h.id AND u.created_at = h.created_at
    WHERE u.charge_usd > 0;

    INSERT INTO spend_hourly (account_id, hour, key_id, model_id, provider, member_id, team_id, calls, input_tokens,
        output_tokens, charge_usd, cost_usd, absorbed_usd)
    SELECT u.account_id, v_day + INTERVAL HOUR(v_now) HOUR, u.key_id, u.model_id, u.provider, MAX(u.member_id),
        MAX(u.team_id), COUNT(*),
        SUM(u.input_tokens + u.cached_tokens + u.cache_write_5m_tokens + u.cache_write_1h_tokens),
        SUM(u.output_tokens), SUM(u.charge_usd), SUM(u.cost_usd), SUM(u.absorbed_usd)
    FROM JSON_TABLE(p_steps, '$[*]' COLUMNS (id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin PATH '$[0]')) s
        STRAIGHT_JOIN hold h ON h.id = s.id
        STRAIGHT_JOIN usage_log u ON u.request_id = h.id AND u.created_at = h.created_at
    GROUP BY u.account_id, u.key_id, u.model_id, u.provider
    ORDER BY u.account_id, u.key_id, u.model_id, u.provider
    ON DUPLICATE KEY UPDATE calls = spend_hourly.calls + VALUES(calls),
        input_tokens = spend_hourly.input_tokens + VALUES(input_tokens),
        output_tokens = spend_hourly.output_tokens + VALUES(output_tokens),
        charge_usd = spend_hourly.charge_usd + VALUES(charge_usd),
        cost_usd = spend_hourly.cost_usd + VALUES(cost_usd),
        absorbed_usd = spend_hourly.absorbed_usd + VALUES(absorbed_usd);

    SELECT COUNT(h.member_id) INTO v_members
    FROM JSON_TABLE(p_steps, '$[*]' COLUMNS (id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin PATH '$[0]')) s
        STRAIGHT_JOIN hold h ON h.id = s.id;

    -- spent_usd is right whether the server assigns from left to right or computes all new values first, as it may do
    -- in an UPDATE of several tables: it depends on window_end, which is assigned after it.
    UPDATE (
            SELECT u.key_id, SUM(u.hold_usd) AS dropped, SUM(u.charge_usd) AS charged
            FROM JSON_TABLE(p_steps, '$[*]' COLUMNS (id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin PATH '$[0]')) s
                STRAIGHT_JOIN hold h ON h.id = s.id
                STRAIGHT_JOIN usage_log u ON u.request_id = h.id AND u.created_at = h.created_at
            GROUP BY u.key_id) b
        STRAIGHT_JOIN api_key k ON k.id = b.key_id
    SET k.held_usd = k.held_usd - b.dropped,
        k.spent_usd = b.charged + IF(v_day < k.window_end, k.spent_usd, 0),
        k.window_end = IF(v_day < k.window_end, k.window_end, CASE k.cap_period
            WHEN 'daily' THEN v_day + INTERVAL 1 DAY WHEN 'weekly' THEN v_day + INTERVAL 7 - WEEKDAY(v_day) DAY
            WHEN 'monthly' THEN v_day - INTERVAL DAYOFMONTH(v_day) - 1 DAY + INTERVAL 1 MONTH ELSE '9999-12-31' END);
    IF v_members > 0 THEN
        UPDATE (
                SELECT u.member_id, SUM(u.hold_usd) AS dropped, SUM(u.charge_usd) AS charged
                FROM JSON_TABLE(p_steps, '$[*]' COLUMNS (id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin PATH '$[0]')) s
                    STRAIGHT_JOIN hold h ON h.id = s.id
                    STRAIGHT_JOIN usage_log u ON u.request_id = h.id AND u.created_at = h.created_at
                GROUP BY u.member_id) b
            STRAIGHT_JOIN team_member m ON m.id = b.member_id
        SET m.held_usd = m.held_usd - b.dropped,
            m.spent_usd = b.charged + IF(v_day < m.window_end, m.spent_usd, 0),
            m.window_end = IF(v_day < m.window_end, m.window_end, CASE m.cap_period
                WHEN 'daily' THEN v_day + INTERVAL 1 DAY WHEN 'weekly' THEN v_day + INTERVAL 7 - WEEKDAY(v_day) DAY
                WHEN 'monthly' THEN v_day - INTERVAL DAYOFMONTH(v_day) - 1 DAY + INTERVAL 1 MONTH ELSE '9999-12-31' END);
        UPDATE (
                SELECT u.team_id, SUM(u.hold_usd) AS dropped, SUM(u.charge_usd) AS charged
                FROM JSON_TABLE(p_steps, '$[*]' COLUMNS (id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin PATH '$[0]')) s
                    STRAIGHT_JOIN hold h ON h.id = s.id
                    STRAIGHT_JOIN usage_log u ON u.request_id = h.id AND u.created_at = h.created_at
                GROUP BY u.team_id) b
            STRAIGHT_JOIN team t ON t.id = b.team_id
        SET t.held_usd = t.held_usd - b.dropped,
            t.spent_usd = b.charged + IF(v_day < t.window_end, t.spent_usd, 0),
            t.window_end = IF(v_day < t.window_end, t.window_end, CASE t.cap_period
                WHEN 'daily' THEN v_day + INTERVAL 1 DAY WHEN 'weekly' THEN v_day + INTERVAL 7 - WEEKDAY(v_day) DAY
                WHEN 'monthly' THEN v_day - INTERVAL DAYOFMONTH(v_day) - 1 DAY + INTERVAL 1 MONTH ELSE '9999-12-31' END);
    END IF;
    UPDATE (
            SELECT u.account_id, SUM(u.hold_usd) AS dropped, SUM(u.charge_usd) AS charged
            FROM JSON_TABLE(p_steps, '$[*]' COLUMNS (id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin PATH '$[0]')) s
                STRAIGHT_JOIN hold h ON h.id = s.id
                STRAIGHT_JOIN usage_log u ON u.request_id = h.id AND u.created_at = h.created_at
            GROUP BY u.account_id) b
        STRAIGHT_JOIN account a ON a.id = b.account_id
    SET a.held_usd = a.held_usd - b.dropped, a.balance_usd = a.balance_usd - b.charged,
        a.spent_usd = b.charged + IF(v_day < a.window_end, a.spent_usd, 0),
        a.window_end = IF(v_day < a.window_end, a.window_end, CASE a.cap_period
            WHEN 'daily' THEN v_day + INTERVAL 1 DAY WHEN 'weekly' THEN v_day + INTERVAL 7 - WEEKDAY(v_day) DAY
            WHEN 'monthly' THEN v_day - INTERVAL DAYOFMONTH(v_day) - 1 DAY + INTERVAL 1 MONTH ELSE '9999-12-31' END);
    COMMIT;
    SELECT u.request_id, 'settled' AS outcome, u.charge_usd, u.absorbed_usd, a.balance_usd, u.hold_usd
    FROM JSON_TABLE(p_steps, '$[*]' COLUMNS (id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin PATH '$[0]')) s
        STRAIGHT_JOIN hold h ON h.id = s.id
        STRAIGHT_JOIN usage_log u ON u.request_id = h.id AND u.created_at = h.created_at
        STRAIGHT_JOIN account a ON a.id = u.account_id;
END //

DELIMITER ;
