-- SPDX-License-Identifier: Apache-2.0
DELIMITER //

-- Another model will serve the call (a hedge): its price replaces the hold's, and the hold grows to the worst
-- case there, or by all that is left where only the likely cost fits (as in ledger_authorize_inner). It is never
-- lowered. Where it cannot grow enough, or the list of models of the key has not the other one, nothing changes. Repeating it never takes more than the worst case.
CREATE OR REPLACE PROCEDURE ledger_extend_inner(
    IN p_request_id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_price_model_id INT UNSIGNED,
    IN p_prompt_bound BIGINT UNSIGNED,
    IN p_prompt_likely BIGINT UNSIGNED,
    IN p_output_limit BIGINT UNSIGNED,
    IN p_choices INT UNSIGNED,
    OUT o_outcome VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin,
    OUT o_hold_usd DECIMAL(18,9),
    OUT o_price_id INT UNSIGNED
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Ledger, internal: ledger_extend without its transaction'
extend: BEGIN
    DECLARE v_now DATETIME(6) DEFAULT UTC_TIMESTAMP(6);
    DECLARE v_state, v_scope, v_period VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE v_key_id, v_member_id, v_team_id, v_account_id, v_model_id, v_price_id INT UNSIGNED;
    DECLARE v_markup DECIMAL(6,4);
    DECLARE v_hold, v_worst, v_likely, v_room, v_limit, v_spent, v_held DECIMAL(18,9);

    SELECT state, key_id, member_id, team_id, account_id, model_id, markup, hold_usd, price_id
    INTO v_state, v_key_id, v_member_id, v_team_id, v_account_id, v_model_id, v_markup, v_hold, o_price_id
    FROM hold WHERE id = p_request_id FOR UPDATE;
    SET o_hold_usd = v_hold;
    IF v_state IS NULL THEN
        SET o_outcome = 'unknown_hold';
        LEAVE extend;
    ELSEIF v_state <> 'open' THEN
        SET o_outcome = 'resolved';
        LEAVE extend;
    ELSEIF p_price_model_id <> v_model_id THEN
        SELECT IF(k.models_limited AND x.model_id IS NULL, 'model_not_allowed', NULL) INTO o_outcome
        FROM api_key k LEFT JOIN api_key_model x ON x.key_id = k.id AND x.model_id = p_price_model_id
        WHERE k.id = v_key_id;
        IF o_outcome IS NOT NULL THEN
            LEAVE extend;
        END IF;
    END IF;

    SELECT id,
        ROUND((p_prompt_bound
                * IF(p_prompt_bound > above_tokens, GREATEST(max_input_usd, above_max_input_usd), max_input_usd)
            + p_output_limit * p_choices
                * IF(p_prompt_bound > above_tokens, GREATEST(max_output_usd, above_max_output_usd), max_output_usd))
            * 0.000001 * (1 + v_markup), 9),
        ROUND((p_prompt_likely * IF(p_prompt_likely > above_tokens, above_input_usd, input_usd)
            + p_output_limit * p_choices
                * IF(p_prompt_likely > above_tokens, above_max_output_usd, max_output_usd))
            * 0.000001 * (1 + v_markup), 9)
    INTO v_price_id, v_worst, v_likely
    FROM price
    WHERE model_id = p_price_model_id AND variant = '' AND valid_from <= v_now
    ORDER BY valid_from DESC LIMIT 1;
    IF v_worst IS NULL THEN
        SET o_outcome = 'no_price';
        LEAVE extend;
    END IF;

    IF v_worst > v_hold THEN
        CALL ledger_room_inner(v_key_id, v_member_id, v_team_id, v_account_id, DATE(v_now),
            v_room, v_scope, v_limit, v_spent, v_held, v_period);
        IF v_worst - v_hold > v_room THEN
            IF v_likely - v_hold > v_room THEN
                SET o_outcome = CASE v_scope WHEN 'key' THEN 'key_cap_exceeded' WHEN 'team' THEN 'team_cap_exceeded'
                    WHEN 'balance' THEN 'insufficient_credits' ELSE 'account_cap_exceeded' END;
                LEAVE extend;
            END IF;
            SET v_worst = v_hold + GREATEST(v_room, 0);
        END IF;
    END IF;

    SET o_outcome = 'held', o_price_id = v_price_id, o_hold_usd = GREATEST(v_hold, v_worst);
    UPDATE hold SET price_id = o_price_id, hold_usd = o_hold_usd WHERE id = p_request_id;
    IF o_hold_usd > v_hold THEN
        UPDATE api_key SET held_usd = held_usd + o_hold_usd - v_hold WHERE id = v_key_id;
        IF v_member_id IS NOT NULL THEN
            UPDATE team_member SET held_usd = held_usd + o_hold_usd - v_hold WHERE id = v_member_id;
            UPDATE team SET held_usd = held_usd + o_hold_usd - v_hold WHERE id = v_team_id;
        END IF;
        UPDATE account SET held_usd = held_usd + o_hold_usd - v_hold WHERE id = v_account_id;
    END IF;
END //

-- Moves a running call to the price of another model and lets its hold grow. One row; see ledger_extend_inner.
CREATE OR REPLACE PROCEDURE ledger_extend(
    IN p_request_id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_price_model_id INT UNSIGNED,
    IN p_prompt_bound BIGINT UNSIGNED,
    IN p_prompt_likely BIGINT UNSIGNED,
    IN p_output_limit BIGINT UNSIGNED,
    IN p_choices INT UNSIGNED
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Ledger: lets the hold of a running call grow to the price of the model that will serve it'
BEGIN
    DECLARE v_outcome VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE v_hold_usd DECIMAL(18,9);
    DECLARE v_price_id INT UNSIGNED;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    START TRANSACTION;
    CALL ledger_extend_inner(p_request_id, p_price_model_id, p_prompt_bound, p_prompt_likely, p_output_limit,
        p_choices, v_outcome, v_hold_usd, v_price_id);
    COMMIT;
    SELECT v_outcome AS outcome, v_hold_usd AS hold_usd, v_price_id AS price_id;
END //

DELIMITER ;
