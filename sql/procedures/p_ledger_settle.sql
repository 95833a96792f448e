-- SPDX-License-Identifier: Apache-2.0
DELIMITER //

-- Ends a call that answered: drops its hold and charges it.
--
-- cost    upstream cost if the provider named one (0 counts as named), else the sum of tokens x price of their kind
--         / 1e6; the kinds do not overlap: uncached input, cached input, cache write 5 min, cache write 1 h, output
--         without reasoning, reasoning. A kind without a price costs as input, reasoning as output. If all input
--         together is more than above_tokens, every kind has its above_ price.
--         Media (p_quantity is not NULL): p_quantity x unit_usd.
--         Tools that the provider ran (p_web_searches is not NULL): each x its price of the version is added.
-- charge  ROUND(cost x (1 + markup), 9), half up, at most the hold; the rest is absorbed by us
--
-- A hold that had expired is charged all the same, but at most what is left in every scope now.
-- Order of locks: the hold, the new rows, key, member, team, account. The balance after the charge is left in
-- @ledger_balance_usd: reading the account's row once more would keep it locked for longer.
CREATE OR REPLACE PROCEDURE ledger_settle_inner(
    IN p_request_id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_input_tokens INT UNSIGNED,
    IN p_cached_tokens INT UNSIGNED,
    IN p_cache_write_5m_tokens INT UNSIGNED,
    IN p_cache_write_1h_tokens INT UNSIGNED,
    IN p_output_tokens INT UNSIGNED,
    IN p_reasoning_tokens INT UNSIGNED,
    IN p_quantity DECIMAL(12,3),
    IN p_upstream_cost DECIMAL(27,15),
    IN p_estimated TINYINT,
    IN p_status VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_provider VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_upstream_model VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_hedged_from VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_stream TINYINT,
    IN p_http_status SMALLINT UNSIGNED,
    IN p_first_byte_ms INT UNSIGNED,
    IN p_duration_ms INT UNSIGNED,
    IN p_web_searches INT UNSIGNED,
    IN p_preview_searches INT UNSIGNED,
    IN p_file_searches INT UNSIGNED,
    IN p_containers INT UNSIGNED,
    IN p_container_gb TINYINT UNSIGNED,
    OUT o_outcome VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin,
    OUT o_charge_usd DECIMAL(18,9),
    OUT o_absorbed_usd DECIMAL(18,9),
    OUT o_hold_usd DECIMAL(18,9),
    OUT o_account_id INT UNSIGNED
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Ledger, internal: ledger_settle without its transaction'
settle: BEGIN
    DECLARE v_now DATETIME(6) DEFAULT UTC_TIMESTAMP(6);
    DECLARE v_day DATE DEFAULT v_now;
    DECLARE v_state, v_scope, v_period VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE v_key_id, v_member_id, v_team_id, v_model_id, v_price_id INT UNSIGNED;
    DECLARE v_input BIGINT UNSIGNED DEFAULT p_input_tokens + p_cached_tokens + p_cache_write_5m_tokens
        + p_cache_write_1h_tokens;
    DECLARE v_reasoning INT UNSIGNED DEFAULT LEAST(p_reasoning_tokens, p_output_tokens);
    DECLARE v_created_at DATETIME(6);
    DECLARE v_markup DECIMAL(6,4);
    DECLARE v_room, v_drop, v_limit, v_spent, v_held, v_raw DECIMAL(18,9);
    DECLARE v_cost DECIMAL(38,15);
    DECLARE v_long BOOLEAN;

    UPDATE hold SET state = 'settled', resolved_at = v_now WHERE id = p_request_id AND state = 'open';
    IF ROW_COUNT() = 0 THEN
        SELECT state, created_at, hold_usd, key_id, member_id, team_id, account_id, model_id
        INTO v_state, v_created_at, o_hold_usd, v_key_id, v_member_id, v_team_id, o_account_id, v_model_id
        FROM hold WHERE id = p_request_id FOR UPDATE;
        IF v_state IS NULL THEN
            SET o_outcome = 'unknown_hold';
            LEAVE settle;
        ELSEIF v_state = 'released' THEN
            SET o_outcome = 'released', o_charge_usd = 0, o_absorbed_usd = 0;
            LEAVE settle;
        ELSEIF v_state = 'settled' THEN
            SET o_outcome = 'replayed';
            SELECT charge_usd, absorbed_usd INTO o_charge_usd, o_absorbed_usd
            FROM usage_log WHERE request_id = p_request_id AND created_at = v_created_at;
            LEAVE settle;
        END IF;
        -- Expired: nothing is held any more. This settlement takes the place of the sweeper's usage row. The row of
        -- spend_hourly comes before the scopes in the order of locks, so it is locked here already.
        UPDATE hold SET state = 'settled', resolved_at = v_now WHERE id = p_request_id;
        DELETE FROM usage_log WHERE request_id = p_request_id AND created_at = v_created_at;
        INSERT INTO spend_hourly (account_id, hour, key_id, model_id, provider, member_id, team_id)
        VALUES (o_account_id, v_day + INTERVAL HOUR(v_now) HOUR, v_key_id, v_model_id, p_provider, v_member_id, v_team_id)
        ON DUPLICATE KEY UPDATE calls = calls;
        CALL ledger_room_inner(v_key_id, v_member_id, v_team_id, o_account_id, v_day,
            v_room, v_scope, v_limit, v_spent, v_held, v_period);
        SET v_room = GREATEST(v_room, 0);
    END IF;

    SELECT h.key_id, h.member_id, h.team_id, h.account_id, h.model_id, h.price_id, h.markup, h.hold_usd, h.created_at,
        COALESCE(p_quantity * p.unit_usd, 0.000001 * (p_input_tokens * p.input_usd
            + p_cached_tokens * COALESCE(p.cached_input_usd, p.input_usd)
            + p_cache_write_5m_tokens * COALESCE(p.cache_write_5m_usd, p.input_usd)
            + p_cache_write_1h_tokens * COALESCE(p.cache_write_1h_usd, p.input_usd)
            + (p_output_tokens - v_reasoning) * COALESCE(p.output_usd, 0)
            + v_reasoning * COALESCE(p.reasoning_usd, p.output_usd, 0))),
        v_input > p.above_tokens
    INTO v_key_id, v_member_id, v_team_id, o_account_id, v_model_id, v_price_id, v_markup, o_hold_usd, v_created_at,
        v_cost, v_long
    FROM hold h JOIN price p ON p.id = h.price_id
    WHERE h.id = p_request_id;
    IF v_long THEN
        SELECT 0.000001 * (p_input_tokens * above_input_usd
            + p_cached_tokens * COALESCE(above_cached_input_usd, above_input_usd)
            + p_cache_write_5m_tokens * COALESCE(above_cache_write_5m_usd, above_input_usd)
            + p_cache_write_1h_tokens * COALESCE(above_cache_write_1h_usd, above_input_usd)
            + (p_output_tokens - v_reasoning) * COALESCE(above_output_usd, 0)
            + v_reasoning * COALESCE(above_reasoning_usd, above_output_usd, 0))
        INTO v_cost FROM price WHERE id = v_price_id;
    END IF;
    IF p_web_searches IS NOT NULL THEN
        SELECT v_cost + p_web_searches * COALESCE(web_search_usd, 0)
            + p_preview_searches * COALESCE(web_search_preview_usd, 0) + p_file_searches * COALESCE(file_search_usd, 0)
            + p_containers * COALESCE(CASE p_container_gb WHEN 1 THEN container_1g_usd WHEN 4 THEN container_4g_usd
                WHEN 16 THEN container_16g_usd WHEN 64 THEN container_64g_usd END, 0)
        INTO v_cost FROM price WHERE id = v_price_id;
    END IF;

    SET v_cost = COALESCE(p_upstream_cost, v_cost),
        v_raw = LEAST(ROUND(v_cost * (1 + v_markup), 9), 999999999),
        o_charge_usd = LEAST(v_raw, o_hold_usd, COALESCE(v_room, o_hold_usd)),
        o_absorbed_usd = v_raw - o_charge_usd,
        v_drop = IF(v_state IS NULL, o_hold_usd, 0),
        o_outcome = 'settled';

    IF o_charge_usd > 0 THEN
        INSERT INTO ledger (account_id, kind, amount_usd, reference, usage_at, created_at)
        VALUES (o_account_id, 'charge', -o_charge_usd, p_request_id, v_created_at, v_now);
    END IF;
    INSERT INTO usage_log (request_id, created_at, settled_at, account_id, key_id, member_id, team_id, model_id,
        price_id, markup, status, estimated, late, stream, http_status, provider, upstream_model, hedged_from,
        input_tokens, cached_tokens, cache_write_5m_tokens, cache_write_1h_tokens, output_tokens, reasoning_tokens,
        quantity, web_searches, preview_searches, file_searches, containers, container_gb,
        upstream_cost_usd, cost_usd, hold_usd, charge_usd, absorbed_usd, first_byte_ms, duration_ms)
    VALUES (p_request_id, v_created_at, v_now, o_account_id, v_key_id, v_member_id, v_team_id, v_model_id,
        v_price_id, v_markup, p_status, p_estimated, v_state IS NOT NULL, p_stream, p_http_status, p_provider,
        p_upstream_model, p_hedged_from,
        p_input_tokens, p_cached_tokens, p_cache_write_5m_tokens, p_cache_write_1h_tokens, p_output_tokens, v_reasoning,
        p_quantity, COALESCE(p_web_searches, 0), COALESCE(p_preview_searches, 0), COALESCE(p_file_searches, 0),
        COALESCE(p_containers, 0), IF(p_containers > 0, p_container_gb, NULL),
        p_upstream_cost, ROUND(v_cost, 9), o_hold_usd, o_charge_usd, o_absorbed_usd, p_first_byte_ms, p_duration_ms);
    INSERT INTO spend_hourly (account_id, hour, key_id, model_id, provider, member_id, team_id, calls, input_tokens,
        output_tokens, charge_usd, cost_usd, absorbed_usd)
    VALUES (o_account_id, v_day + INTERVAL HOUR(v_now) HOUR, v_key_id, v_model_id, p_provider, v_member_id, v_team_id,
        1, v_input, p_output_tokens, o_charge_usd, ROUND(v_cost, 9), o_absorbed_usd)
    ON DUPLICATE KEY UPDATE calls = calls + 1, input_tokens = input_tokens + VALUES(input_tokens),
        output_tokens = output_tokens + VALUES(output_tokens), charge_usd = charge_usd + VALUES(charge_usd),
        cost_usd = cost_usd + VALUES(cost_usd), absorbed_usd = absorbed_usd + VALUES(absorbed_usd);

    -- The second UPDATE of each pair begins a new window.
    UPDATE api_key SET held_usd = held_usd - v_drop, spent_usd = spent_usd + o_charge_usd
    WHERE id = v_key_id AND v_day < window_end;
    IF ROW_COUNT() = 0 THEN
        UPDATE api_key SET held_usd = held_usd - v_drop, spent_usd = o_charge_usd,
            window_end = CASE cap_period WHEN 'daily' THEN v_day + INTERVAL 1 DAY
                WHEN 'weekly' THEN v_day + INTERVAL 7 - WEEKDAY(v_day) DAY
                WHEN 'monthly' THEN v_day - INTERVAL DAYOFMONTH(v_day) - 1 DAY + INTERVAL 1 MONTH
                ELSE '9999-12-31' END
        WHERE id = v_key_id AND v_day >= window_end;
    END IF;
    IF v_member_id IS NOT NULL THEN
        UPDATE team_member SET held_usd = held_usd - v_drop, spent_usd = spent_usd + o_charge_usd
        WHERE id = v_member_id AND v_day < window_end;
        IF ROW_COUNT() = 0 THEN
            UPDATE team_member SET held_usd = held_usd - v_drop, spent_usd = o_charge_usd,
                window_end = CASE cap_period WHEN 'daily' THEN v_day + INTERVAL 1 DAY
                    WHEN 'weekly' THEN v_day + INTERVAL 7 - WEEKDAY(v_day) DAY
                    WHEN 'monthly' THEN v_day - INTERVAL DAYOFMONTH(v_day) - 1 DAY + INTERVAL 1 MONTH
                    ELSE '9999-12-31' END
            WHERE id = v_member_id AND v_day >= window_end;
        END IF;
        UPDATE team SET held_usd = held_usd - v_drop, spent_usd = spent_usd + o_charge_usd
        WHERE id = v_team_id AND v_day < window_end;
        IF ROW_COUNT() = 0 THEN
            UPDATE team SET held_usd = held_usd - v_drop, spent_usd = o_charge_usd,
                window_end = CASE cap_period WHEN 'daily' THEN v_day + INTERVAL 1 DAY
                    WHEN 'weekly' THEN v_day + INTERVAL 7 - WEEKDAY(v_day) DAY
                    WHEN 'monthly' THEN v_day - INTERVAL DAYOFMONTH(v_day) - 1 DAY + INTERVAL 1 MONTH
                    ELSE '9999-12-31' END
            WHERE id = v_team_id AND v_day >= window_end;
        END IF;
    END IF;
    UPDATE account SET held_usd = held_usd - v_drop, spent_usd = spent_usd + o_charge_usd,
        balance_usd = @ledger_balance_usd := balance_usd - o_charge_usd
    WHERE id = o_account_id AND v_day < window_end;
    IF ROW_COUNT() = 0 THEN
        UPDATE account SET held_usd = held_usd - v_drop, spent_usd = o_charge_usd,
            balance_usd = @ledger_balance_usd := balance_usd - o_charge_usd,
            window_end = CASE cap_period WHEN 'daily' THEN v_day + INTERVAL 1 DAY
                WHEN 'weekly' THEN v_day + INTERVAL 7 - WEEKDAY(v_day) DAY
                WHEN 'monthly' THEN v_day - INTERVAL DAYOFMONTH(v_day) - 1 DAY + INTERVAL 1 MONTH
                ELSE '9999-12-31' END
        WHERE id = o_account_id AND v_day >= window_end;
    END IF;
END //

-- Charges a call that answered. One row; see ledger_settle_inner. balance_usd is the balance after the charge.
CREATE OR REPLACE PROCEDURE ledger_settle(
    IN p_request_id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_input_tokens INT UNSIGNED,
    IN p_cached_tokens INT UNSIGNED,
    IN p_cache_write_5m_tokens INT UNSIGNED,
    IN p_cache_write_1h_tokens INT UNSIGNED,
    IN p_output_tokens INT UNSIGNED,
    IN p_reasoning_tokens INT UNSIGNED,
    IN p_upstream_cost DECIMAL(27,15),
    IN p_estimated TINYINT,
    IN p_status VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_provider VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_upstream_model VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_hedged_from VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_stream TINYINT,
    IN p_http_status SMALLINT UNSIGNED,
    IN p_first_byte_ms INT UNSIGNED,
    IN p_duration_ms INT UNSIGNED
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Ledger: charges a call that answered and drops its hold'
BEGIN
    DECLARE v_outcome VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE v_charge_usd, v_absorbed_usd, v_hold_usd DECIMAL(18,9);
    DECLARE v_account_id INT UNSIGNED;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    START TRANSACTION;
    CALL ledger_settle_inner(p_request_id, p_input_tokens, p_cached_tokens, p_cache_write_5m_tokens,
        p_cache_write_1h_tokens, p_output_tokens, p_reasoning_tokens, NULL, p_upstream_cost, p_estimated,
        p_status, p_provider, p_upstream_model, p_hedged_from, p_stream, p_http_status, p_first_byte_ms, p_duration_ms,
        NULL, NULL, NULL, NULL, NULL,
        v_outcome, v_charge_usd, v_absorbed_usd, v_hold_usd, v_account_id);
    IF v_outcome <> 'settled' THEN
        SET @ledger_balance_usd = NULL;
        SELECT balance_usd INTO @ledger_balance_usd FROM account WHERE id = v_account_id;
    END IF;
    COMMIT;
    SELECT v_outcome AS outcome, v_charge_usd AS charge_usd, v_absorbed_usd AS absorbed_usd,
        CAST(@ledger_balance_usd AS DECIMAL(18,9)) AS balance_usd, v_hold_usd AS hold_usd;
END //

-- The same for a call that used tools which the provider runs itself.
CREATE OR REPLACE PROCEDURE ledger_settle_tools(
    IN p_request_id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_input_tokens INT UNSIGNED,
    IN p_cached_tokens INT UNSIGNED,
    IN p_cache_write_5m_tokens INT UNSIGNED,
    IN p_cache_write_1h_tokens INT UNSIGNED,
    IN p_output_tokens INT UNSIGNED,
    IN p_reasoning_tokens INT UNSIGNED,
    IN p_upstream_cost DECIMAL(27,15),
    IN p_estimated TINYINT,
    IN p_status VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_provider VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_upstream_model VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_hedged_from VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_stream TINYINT,
    IN p_http_status SMALLINT UNSIGNED,
    IN p_first_byte_ms INT UNSIGNED,
    IN p_duration_ms INT UNSIGNED,
    IN p_web_searches INT UNSIGNED,
    IN p_preview_searches INT UNSIGNED,
    IN p_file_searches INT UNSIGNED,
    IN p_containers INT UNSIGNED,
    IN p_container_gb TINYINT UNSIGNED
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Ledger: as ledger_settle, for a call that used tools which the provider runs'
BEGIN
    DECLARE v_outcome VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE v_charge_usd, v_absorbed_usd, v_hold_usd DECIMAL(18,9);
    DECLARE v_account_id INT UNSIGNED;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    START TRANSACTION;
    CALL ledger_settle_inner(p_request_id, p_input_tokens, p_cached_tokens, p_cache_write_5m_tokens,
        p_cache_write_1h_tokens, p_output_tokens, p_reasoning_tokens, NULL, p_upstream_cost, p_estimated,
        p_status, p_provider, p_upstream_model, p_hedged_from, p_stream, p_http_status, p_first_byte_ms, p_duration_ms,
        p_web_searches, p_preview_searches, p_file_searches, p_containers, p_container_gb,
        v_outcome, v_charge_usd, v_absorbed_usd, v_hold_usd, v_account_id);
    IF v_outcome <> 'settled' THEN
        SET @ledger_balance_usd = NULL;
        SELECT balance_usd INTO @ledger_balance_usd FROM account WHERE id = v_account_id;
    END IF;
    COMMIT;
    SELECT v_outcome AS outcome, v_charge_usd AS charge_usd, v_absorbed_usd AS absorbed_usd,
        CAST(@ledger_balance_usd AS DECIMAL(18,9)) AS balance_usd, v_hold_usd AS hold_usd;
END //

DELIMITER ;
