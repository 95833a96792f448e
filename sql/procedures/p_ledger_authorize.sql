-- SPDX-License-Identifier: Apache-2.0
DELIMITER //

-- Decides whether a call may be made and sets its worst case aside.
--
-- room   smallest of cap - spent - held over key, member, team and paying account, and of balance - held
-- limit  largest answer per choice, tokens: what the client asked for, at most p_output_max; if it asked for
--        nothing, MIN(p_output_max, MAX(256, FLOOR(room / 8 / (choices x output price x (1 + markup)))));
--        0 for a model without output (p_output_max = 0)
-- worst  ROUND((p_prompt_bound x input price + limit x choices x output price) / 1e6 x (1 + markup), 9), half up;
--        the input price is the dearest kind of input, the output price the dearer of output and reasoning, both
--        the dearest of the steps that p_prompt_bound can reach
-- likely the same with p_prompt_likely, and plain input at the step that p_prompt_likely reaches
--
-- Media (p_unit is not NULL): p_prompt_bound = p_prompt_likely is the quantity in thousandths of the unit, p_output_max
-- is 0, and the price is the one of exactly p_variant in that unit. Nothing else differs.
--
-- Tools that the provider runs (p_tools is not NULL: a comma list of web_search, web_search_preview, file_search,
-- container_1g, _4g, _16g, _64g; p_tool_calls: how many calls at most): their fees are added before the markup. With
-- call the dearest of those that are priced by the call and container the price of the container, worst has
-- GREATEST(p_tool_calls x container, container + p_tool_calls x call), likely the second of the two (one container is
-- paid for in any case, see ledger_settle_inner). A tool without a price: no_price_<tool>.
--
-- worst fits in room: hold worst. Else likely fits: hold all that is left. Else refuse, naming the scope
-- with the smallest room.
--
-- A key with a list of models is refused for every other one (of a model that has retired, the successor counts; of a
-- hedge, both).
--
-- First everything is read without locks. A hold is taken by guarded updates; if one of them finds that the room has
-- gone meanwhile, the rows are locked and the figures computed again. A refusal is decided on one consistent read of
-- all scopes. A request id that is known already gets its hold's figures and has no second effect.
CREATE OR REPLACE PROCEDURE ledger_authorize_inner(
    IN p_request_id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_key_hash BINARY(32),
    IN p_model_id INT UNSIGNED,
    IN p_price_model_id INT UNSIGNED,
    IN p_unit VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_variant VARCHAR(120) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_prompt_bound BIGINT UNSIGNED,
    IN p_prompt_likely BIGINT UNSIGNED,
    IN p_output_limit BIGINT UNSIGNED,
    IN p_output_max BIGINT UNSIGNED,
    IN p_choices INT UNSIGNED,
    IN p_ttl_s INT UNSIGNED,
    IN p_tools VARCHAR(80) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_tool_calls INT UNSIGNED,
    OUT o_outcome VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin,
    OUT o_scope VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin,
    OUT o_key_id INT UNSIGNED,
    OUT o_account_id INT UNSIGNED,
    OUT o_hold_usd DECIMAL(18,9),
    OUT o_output_limit BIGINT UNSIGNED,
    OUT o_limit_usd DECIMAL(18,9),
    OUT o_spent_usd DECIMAL(18,9),
    OUT o_held_usd DECIMAL(18,9),
    OUT o_need_usd DECIMAL(18,9),
    OUT o_fit_tokens BIGINT UNSIGNED,
    OUT o_resets_at DATETIME,
    OUT o_markup DECIMAL(6,4),
    OUT o_price_id INT UNSIGNED
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Ledger, internal: ledger_authorize without its transaction'
decide: BEGIN
    DECLARE v_now DATETIME(6) DEFAULT UTC_TIMESTAMP(6);
    DECLARE v_day DATE DEFAULT v_now;
    DECLARE v_member_id, v_team_id, v_hold_key_id INT UNSIGNED;
    DECLARE v_room, v_in, v_out, v_likely_in, v_likely_out, v_call, v_container DECIMAL(18,9);
    DECLARE v_fees, v_likely_fees DECIMAL(18,9) DEFAULT 0;
    DECLARE v_period, v_state VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE v_long, v_locked, v_taken, v_known, v_limited BOOLEAN DEFAULT FALSE;
    DECLARE CONTINUE HANDLER FOR 1062 SET v_known = TRUE;

    SELECT k.id, k.account_id, k.member_id, COALESCE(a.markup_override, tier.markup),
        IF(NOT k.enabled, 'key_disabled',
            IF(k.expires_at <= v_now, 'key_expired', IF(NOT a.enabled, 'account_disabled', NULL))),
        LEAST(COALESCE(k.cap_usd - k.held_usd - IF(v_day < k.window_end, k.spent_usd, 0), 999999999),
            COALESCE(a.cap_usd - a.held_usd - IF(v_day < a.window_end, a.spent_usd, 0), 999999999),
            a.balance_usd - a.held_usd),
        k.models_limited
    INTO o_key_id, o_account_id, v_member_id, o_markup, o_outcome, v_room, v_limited
    FROM api_key k JOIN account a ON a.id = k.account_id JOIN tier ON tier.id = a.tier_id
    WHERE k.key_hash = p_key_hash;
    IF o_key_id IS NULL THEN
        SET o_outcome = 'unknown_key';
    ELSEIF o_outcome IS NULL AND v_member_id IS NOT NULL THEN
        -- The key of a team member: not its owner's account pays, but the team's.
        SELECT t.id, a.id, COALESCE(a.markup_override, tier.markup),
            IF(NOT m.enabled, 'key_disabled', IF(t.enabled AND a.enabled, NULL, 'account_disabled')),
            LEAST(COALESCE(k.cap_usd - k.held_usd - IF(v_day < k.window_end, k.spent_usd, 0), 999999999),
                COALESCE(m.cap_usd - m.held_usd - IF(v_day < m.window_end, m.spent_usd, 0), 999999999),
                COALESCE(t.cap_usd - t.held_usd - IF(v_day < t.window_end, t.spent_usd, 0), 999999999),
                COALESCE(a.cap_usd - a.held_usd - IF(v_day < a.window_end, a.spent_usd, 0), 999999999),
                a.balance_usd - a.held_usd)
        INTO v_team_id, o_account_id, o_markup, o_outcome, v_room
        FROM api_key k JOIN team_member m ON m.id = k.member_id JOIN team t ON t.id = m.team_id
            JOIN account a ON a.id = t.account_id JOIN tier ON tier.id = a.tier_id
        WHERE k.id = o_key_id;
    END IF;
    IF o_outcome IS NULL AND v_limited THEN
        SELECT IF(COUNT(*) < IF(p_price_model_id = p_model_id, 1, 2), 'model_not_allowed', NULL) INTO o_outcome
        FROM api_key_model WHERE key_id = o_key_id AND model_id IN (p_model_id, p_price_model_id);
    END IF;
    IF o_outcome IS NOT NULL THEN
        LEAVE decide;
    END IF;

    IF p_unit IS NULL THEN
        SELECT id, max_input_usd, max_output_usd, input_usd, p_prompt_bound > above_tokens
        INTO o_price_id, v_in, v_out, v_likely_in, v_long
        FROM price
        WHERE model_id = p_price_model_id AND variant = '' AND valid_from <= v_now
        ORDER BY valid_from DESC LIMIT 1;
    ELSE
        SELECT id, unit_usd * 1000, 0, IF(unit = p_unit, unit_usd * 1000, NULL), FALSE
        INTO o_price_id, v_in, v_out, v_likely_in, v_long
        FROM price
        WHERE model_id = p_price_model_id AND variant = p_variant AND valid_from <= v_now
        ORDER BY valid_from DESC LIMIT 1;
    END IF;
    IF v_likely_in IS NULL THEN
        SET o_outcome = 'no_price';
        LEAVE decide;
    END IF;
    IF p_tools IS NOT NULL THEN
        SELECT CASE
                WHEN FIND_IN_SET('web_search', p_tools) AND web_search_usd IS NULL THEN 'no_price_web_search'
                WHEN FIND_IN_SET('web_search_preview', p_tools) AND web_search_preview_usd IS NULL
                    THEN 'no_price_web_search_preview'
                WHEN FIND_IN_SET('file_search', p_tools) AND file_search_usd IS NULL THEN 'no_price_file_search'
                WHEN FIND_IN_SET('container_1g', p_tools) AND container_1g_usd IS NULL THEN 'no_price_container_1g'
                WHEN FIND_IN_SET('container_4g', p_tools) AND container_4g_usd IS NULL THEN 'no_price_container_4g'
                WHEN FIND_IN_SET('container_16g', p_tools) AND container_16g_usd IS NULL THEN 'no_price_container_16g'
                WHEN FIND_IN_SET('container_64g', p_tools) AND container_64g_usd IS NULL THEN 'no_price_container_64g'
                END,
            GREATEST(IF(FIND_IN_SET('web_search', p_tools), web_search_usd, 0),
                IF(FIND_IN_SET('web_search_preview', p_tools), web_search_preview_usd, 0),
                IF(FIND_IN_SET('file_search', p_tools), file_search_usd, 0)),
            GREATEST(IF(FIND_IN_SET('container_1g', p_tools), container_1g_usd, 0),
                IF(FIND_IN_SET('container_4g', p_tools), container_4g_usd, 0),
                IF(FIND_IN_SET('container_16g', p_tools), container_16g_usd, 0),
                IF(FIND_IN_SET('container_64g', p_tools), container_64g_usd, 0))
        INTO o_outcome, v_call, v_container
        FROM price WHERE id = o_price_id;
        IF o_outcome IS NOT NULL THEN
            LEAVE decide;
        END IF;
        SET v_likely_fees = v_container + p_tool_calls * v_call,
            v_fees = GREATEST(p_tool_calls * v_container, v_likely_fees);
    END IF;
    SET v_likely_out = v_out;
    IF v_long THEN
        SELECT GREATEST(max_input_usd, above_max_input_usd), GREATEST(max_output_usd, above_max_output_usd),
            IF(p_prompt_likely > above_tokens, above_input_usd, input_usd),
            IF(p_prompt_likely > above_tokens, above_max_output_usd, max_output_usd)
        INTO v_in, v_out, v_likely_in, v_likely_out
        FROM price WHERE id = o_price_id;
    END IF;

    attempt: LOOP
        SET o_output_limit = CASE
                WHEN p_output_max = 0 THEN 0
                WHEN p_output_limit > 0 THEN LEAST(p_output_limit, p_output_max)
                WHEN v_out = 0 THEN p_output_max
                ELSE LEAST(p_output_max, GREATEST(256, GREATEST(v_room, 0) * 125000
                    DIV (v_out * p_choices * (1 + o_markup)))) END,
            o_hold_usd = ROUND(((p_prompt_bound * v_in + o_output_limit * p_choices * v_out) * 0.000001 + v_fees)
                * (1 + o_markup), 9);
        IF o_hold_usd > v_room THEN
            SET o_need_usd = ROUND(((p_prompt_likely * v_likely_in + o_output_limit * p_choices * v_likely_out)
                * 0.000001 + v_likely_fees) * (1 + o_markup), 9);
            IF o_need_usd > v_room AND NOT v_locked THEN
                SELECT scope, limit_usd, spent_usd, held_usd, cap_period, limit_usd - spent_usd - held_usd
                INTO o_scope, o_limit_usd, o_spent_usd, o_held_usd, v_period, v_room
                FROM (
                    SELECT 1 AS n, 'key' AS scope, cap_usd AS limit_usd,
                        IF(v_day < window_end, spent_usd, 0) AS spent_usd, held_usd, cap_period
                    FROM api_key WHERE id = o_key_id
                    UNION ALL
                    SELECT 2, 'member', cap_usd, IF(v_day < window_end, spent_usd, 0), held_usd, cap_period
                    FROM team_member WHERE id = v_member_id
                    UNION ALL
                    SELECT 3, 'team', cap_usd, IF(v_day < window_end, spent_usd, 0), held_usd, cap_period
                    FROM team WHERE id = v_team_id
                    UNION ALL
                    SELECT 4, 'account', cap_usd, IF(v_day < window_end, spent_usd, 0), held_usd, cap_period
                    FROM account WHERE id = o_account_id
                    UNION ALL
                    SELECT 5, 'balance', balance_usd, 0, held_usd, 'none' FROM account WHERE id = o_account_id
                ) scopes
                WHERE limit_usd IS NOT NULL
                ORDER BY limit_usd - spent_usd - held_usd, n LIMIT 1;
            END IF;
            IF o_need_usd > v_room THEN
                LEAVE attempt;
            END IF;
            SET o_hold_usd = v_room;
        END IF;

        SAVEPOINT ledger_authorize;
        INSERT INTO hold (id, account_id, key_id, member_id, team_id, model_id, price_id, markup, hold_usd,
            output_limit, created_at, expires_at)
        VALUES (p_request_id, o_account_id, o_key_id, v_member_id, v_team_id, p_model_id, o_price_id, o_markup,
            o_hold_usd, o_output_limit, v_now, v_now + INTERVAL p_ttl_s SECOND);
        IF v_known THEN
            LEAVE attempt;
        END IF;

        UPDATE api_key SET held_usd = held_usd + o_hold_usd, last_used_at = v_now
        WHERE id = o_key_id
            AND (cap_usd IS NULL OR cap_usd - held_usd - IF(v_day < window_end, spent_usd, 0) >= o_hold_usd);
        SET v_taken = ROW_COUNT() = 1 OR o_hold_usd = 0;
        IF v_taken AND v_member_id IS NOT NULL THEN
            UPDATE team_member SET held_usd = held_usd + o_hold_usd
            WHERE id = v_member_id
                AND (cap_usd IS NULL OR cap_usd - held_usd - IF(v_day < window_end, spent_usd, 0) >= o_hold_usd);
            SET v_taken = ROW_COUNT() = 1 OR o_hold_usd = 0;
            IF v_taken THEN
                UPDATE team SET held_usd = held_usd + o_hold_usd
                WHERE id = v_team_id
                    AND (cap_usd IS NULL OR cap_usd - held_usd - IF(v_day < window_end, spent_usd, 0) >= o_hold_usd);
                SET v_taken = ROW_COUNT() = 1 OR o_hold_usd = 0;
            END IF;
        END IF;
        IF v_taken THEN
            UPDATE account SET held_usd = held_usd + o_hold_usd
            WHERE id = o_account_id AND balance_usd - held_usd >= o_hold_usd
                AND (cap_usd IS NULL OR cap_usd - held_usd - IF(v_day < window_end, spent_usd, 0) >= o_hold_usd);
            IF ROW_COUNT() = 1 OR o_hold_usd = 0 THEN
                SET o_outcome = 'held', o_scope = NULL, o_limit_usd = NULL, o_spent_usd = NULL, o_held_usd = NULL,
                    o_need_usd = NULL;
                LEAVE decide;
            END IF;
        END IF;

        IF v_locked THEN
            SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'ledger_authorize: a guard failed although its row was locked';
        END IF;
        ROLLBACK TO SAVEPOINT ledger_authorize;
        CALL ledger_room_inner(o_key_id, v_member_id, v_team_id, o_account_id, v_day,
            v_room, o_scope, o_limit_usd, o_spent_usd, o_held_usd, v_period);
        SET v_locked = TRUE;
    END LOOP;

    -- Known already, or too little room. A retry may find no room because its own hold took it.
    IF v_known THEN
        SELECT state, key_id, hold_usd, output_limit, markup, price_id
        INTO v_state, v_hold_key_id, o_hold_usd, o_output_limit, o_markup, o_price_id
        FROM hold WHERE id = p_request_id LOCK IN SHARE MODE;
    ELSE
        SET o_hold_usd = NULL;
        SELECT state, key_id, hold_usd, output_limit, markup, price_id
        INTO v_state, v_hold_key_id, o_hold_usd, o_output_limit, o_markup, o_price_id
        FROM hold WHERE id = p_request_id;
    END IF;
    IF v_state IS NOT NULL THEN
        IF v_hold_key_id <> o_key_id THEN
            SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'ledger_authorize: this request id belongs to another key';
        ELSEIF v_state <> 'open' THEN
            SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'ledger_authorize: the hold of this request id is resolved already';
        END IF;
        SET o_outcome = 'held', o_scope = NULL, o_limit_usd = NULL, o_spent_usd = NULL, o_held_usd = NULL,
            o_need_usd = NULL;
        LEAVE decide;
    END IF;

    SET o_outcome = CASE o_scope WHEN 'key' THEN 'key_cap_exceeded' WHEN 'team' THEN 'team_cap_exceeded'
            WHEN 'balance' THEN 'insufficient_credits' ELSE 'account_cap_exceeded' END,
        o_resets_at = CASE v_period WHEN 'daily' THEN v_day + INTERVAL 1 DAY
            WHEN 'weekly' THEN v_day + INTERVAL 7 - WEEKDAY(v_day) DAY
            WHEN 'monthly' THEN v_day - INTERVAL DAYOFMONTH(v_day) - 1 DAY + INTERVAL 1 MONTH END,
        o_fit_tokens = IF(v_likely_out > 0 AND p_output_max > 0,
            LEAST(p_output_max, GREATEST(0, v_room * 1000000
                - (p_prompt_likely * v_likely_in + v_likely_fees * 1000000) * (1 + o_markup))
                DIV (v_likely_out * p_choices * (1 + o_markup))), 0);
END //

-- Lets a call in and holds its worst case, or says why not. One row; see ledger_authorize_inner.
CREATE OR REPLACE PROCEDURE ledger_authorize(
    IN p_request_id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_key_hash BINARY(32),
    IN p_model_id INT UNSIGNED,
    IN p_price_model_id INT UNSIGNED,
    IN p_prompt_bound BIGINT UNSIGNED,
    IN p_prompt_likely BIGINT UNSIGNED,
    IN p_output_limit BIGINT UNSIGNED,
    IN p_output_max BIGINT UNSIGNED,
    IN p_choices INT UNSIGNED,
    IN p_ttl_s INT UNSIGNED
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Ledger: admits a call and holds its worst case, or says which limit it would break'
BEGIN
    DECLARE v_outcome VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE v_scope VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE v_key_id, v_account_id, v_price_id INT UNSIGNED;
    DECLARE v_hold_usd, v_limit_usd, v_spent_usd, v_held_usd, v_need_usd DECIMAL(18,9);
    DECLARE v_output_limit, v_fit_tokens BIGINT UNSIGNED;
    DECLARE v_resets_at DATETIME;
    DECLARE v_markup DECIMAL(6,4);
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    START TRANSACTION;
    CALL ledger_authorize_inner(p_request_id, p_key_hash, p_model_id, p_price_model_id, NULL, NULL, p_prompt_bound,
        p_prompt_likely, p_output_limit, p_output_max, p_choices, p_ttl_s, NULL, NULL,
        v_outcome, v_scope, v_key_id, v_account_id, v_hold_usd, v_output_limit, v_limit_usd, v_spent_usd,
        v_held_usd, v_need_usd, v_fit_tokens, v_resets_at, v_markup, v_price_id);
    COMMIT;
    SELECT v_outcome AS outcome, v_scope AS scope, v_key_id AS key_id, v_account_id AS account_id,
        v_hold_usd AS hold_usd, v_output_limit AS output_limit, v_limit_usd AS limit_usd, v_spent_usd AS spent_usd,
        v_held_usd AS held_usd, v_need_usd AS need_usd, v_fit_tokens AS fit_tokens, v_resets_at AS resets_at,
        v_markup AS markup, v_price_id AS price_id;
END //

-- The same for a call that offers tools which the provider runs itself.
CREATE OR REPLACE PROCEDURE ledger_authorize_tools(
    IN p_request_id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_key_hash BINARY(32),
    IN p_model_id INT UNSIGNED,
    IN p_price_model_id INT UNSIGNED,
    IN p_prompt_bound BIGINT UNSIGNED,
    IN p_prompt_likely BIGINT UNSIGNED,
    IN p_output_limit BIGINT UNSIGNED,
    IN p_output_max BIGINT UNSIGNED,
    IN p_choices INT UNSIGNED,
    IN p_ttl_s INT UNSIGNED,
    IN p_tools VARCHAR(80) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_tool_calls INT UNSIGNED
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Ledger: as ledger_authorize, for a call that may use tools which the provider runs'
BEGIN
    DECLARE v_outcome VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE v_scope VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE v_key_id, v_account_id, v_price_id INT UNSIGNED;
    DECLARE v_hold_usd, v_limit_usd, v_spent_usd, v_held_usd, v_need_usd DECIMAL(18,9);
    DECLARE v_output_limit, v_fit_tokens BIGINT UNSIGNED;
    DECLARE v_resets_at DATETIME;
    DECLARE v_markup DECIMAL(6,4);
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    START TRANSACTION;
    CALL ledger_authorize_inner(p_request_id, p_key_hash, p_model_id, p_price_model_id, NULL, NULL, p_prompt_bound,
        p_prompt_likely, p_output_limit, p_output_max, p_choices, p_ttl_s, p_tools,
        p_tool_calls,
        v_outcome, v_scope, v_key_id, v_account_id, v_hold_usd, v_output_limit, v_limit_usd, v_spent_usd,
        v_held_usd, v_need_usd, v_fit_tokens, v_resets_at, v_markup, v_price_id);
    COMMIT;
    SELECT v_outcome AS outcome, v_scope AS scope, v_key_id AS key_id, v_account_id AS account_id,
        v_hold_usd AS hold_usd, v_output_limit AS output_limit, v_limit_usd AS limit_usd, v_spent_usd AS spent_usd,
        v_held_usd AS held_usd, v_need_usd AS need_usd, v_fit_tokens AS fit_tokens, v_resets_at AS resets_at,
        v_markup AS markup, v_price_id AS price_id;
END //

DELIMITER ;
