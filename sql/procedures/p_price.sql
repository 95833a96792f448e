-- SPDX-License-Identifier: Apache-2.0
DELIMITER //

CREATE OR REPLACE PROCEDURE price_check_inner(
    IN p_model VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_valid_from DATETIME(6),
    OUT o_model_id INT UNSIGNED,
    OUT o_valid_from DATETIME(6)
)
SQL SECURITY DEFINER
READS SQL DATA
COMMENT 'Internal: checks model and time of a new price'
BEGIN
    DECLARE v_message VARCHAR(400) CHARACTER SET utf8mb4;

    SELECT id INTO o_model_id FROM model WHERE name = p_model;
    IF o_model_id IS NULL THEN
        SET v_message = CONCAT('There is no model ', COALESCE(p_model, 'NULL'), '.');
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = v_message;
    ELSEIF p_valid_from < UTC_TIMESTAMP() - INTERVAL 1 MINUTE THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT =
            'A price cannot begin in the past: calls have been charged since. NULL means now (UTC).';
    END IF;
    SET o_valid_from = COALESCE(p_valid_from, UTC_TIMESTAMP(6));
END //

-- Enters a new price version of a chat or embedding model. Running calls keep the price that they began with.
-- Prices that were entered for a later time stay and take over then; the result shows all that are yet to come.
CREATE OR REPLACE PROCEDURE set_price(
    IN p_model VARCHAR(64) CHARACTER SET ascii,
    IN p_input_usd DECIMAL(18,9),
    IN p_cached_input_usd DECIMAL(18,9),
    IN p_cache_write_5m_usd DECIMAL(18,9),
    IN p_cache_write_1h_usd DECIMAL(18,9),
    IN p_output_usd DECIMAL(18,9),
    IN p_reasoning_usd DECIMAL(18,9),
    IN p_above_tokens INT UNSIGNED,
    IN p_above_input_usd DECIMAL(18,9),
    IN p_above_cached_input_usd DECIMAL(18,9),
    IN p_above_cache_write_5m_usd DECIMAL(18,9),
    IN p_above_cache_write_1h_usd DECIMAL(18,9),
    IN p_above_output_usd DECIMAL(18,9),
    IN p_above_reasoning_usd DECIMAL(18,9),
    IN p_valid_from DATETIME(6)
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Operator: new price of a model, US dollars per million tokens, before markup; NULL where it has none'
BEGIN
    DECLARE v_model_id INT UNSIGNED;
    DECLARE v_kind VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE v_valid_from DATETIME(6);

    CALL price_check_inner(p_model, p_valid_from, v_model_id, v_valid_from);
    SELECT kind INTO v_kind FROM model WHERE id = v_model_id;
    IF v_kind NOT IN ('chat', 'embedding') THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'This model is charged by unit: use set_unit_price.';
    ELSEIF p_input_usd IS NULL OR (v_kind = 'chat' AND p_output_usd IS NULL) THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT =
            'A chat model needs prices of input and output, an embedding model one of input.';
    ELSEIF LEAST(p_input_usd, COALESCE(p_cached_input_usd, 0), COALESCE(p_cache_write_5m_usd, 0),
            COALESCE(p_cache_write_1h_usd, 0), COALESCE(p_output_usd, 0), COALESCE(p_reasoning_usd, 0),
            COALESCE(p_above_input_usd, 0), COALESCE(p_above_cached_input_usd, 0),
            COALESCE(p_above_cache_write_5m_usd, 0), COALESCE(p_above_cache_write_1h_usd, 0),
            COALESCE(p_above_output_usd, 0), COALESCE(p_above_reasoning_usd, 0)) < 0 THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'A price cannot be negative.';
    ELSEIF p_above_tokens IS NOT NULL AND (p_above_input_usd IS NULL
            OR (p_output_usd IS NULL) <> (p_above_output_usd IS NULL)) THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT =
            'With p_above_tokens, long prompts need prices of their own: p_above_input_usd and p_above_output_usd.';
    ELSEIF p_above_tokens IS NULL AND COALESCE(p_above_input_usd, p_above_cached_input_usd,
            p_above_cache_write_5m_usd, p_above_cache_write_1h_usd, p_above_output_usd,
            p_above_reasoning_usd) IS NOT NULL THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'Prices of long prompts need p_above_tokens.';
    END IF;

    INSERT INTO price (model_id, valid_from, input_usd, cached_input_usd, cache_write_5m_usd, cache_write_1h_usd,
        output_usd, reasoning_usd, above_tokens, above_input_usd, above_cached_input_usd, above_cache_write_5m_usd,
        above_cache_write_1h_usd, above_output_usd, above_reasoning_usd)
    VALUES (v_model_id, v_valid_from, p_input_usd, p_cached_input_usd, p_cache_write_5m_usd, p_cache_write_1h_usd,
        p_output_usd, p_reasoning_usd, p_above_tokens, p_above_input_usd, p_above_cached_input_usd,
        p_above_cache_write_5m_usd, p_above_cache_write_1h_usd, p_above_output_usd, p_above_reasoning_usd);
    SELECT id AS price_id, p_model AS model, valid_from, input_usd, output_usd, set_by
    FROM price WHERE model_id = v_model_id AND variant = '' AND valid_from >= v_valid_from ORDER BY valid_from;
END //

CREATE OR REPLACE PROCEDURE set_unit_price(
    IN p_model VARCHAR(64) CHARACTER SET ascii,
    IN p_variant VARCHAR(120) CHARACTER SET ascii,
    IN p_unit VARCHAR(32) CHARACTER SET ascii,
    IN p_usd DECIMAL(18,9),
    IN p_valid_from DATETIME(6)
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Operator: new price of a media model. Model, parameters or empty, image/megapixel/second/video/request/kchar/song, US dollars, from'
BEGIN
    DECLARE v_model_id INT UNSIGNED;
    DECLARE v_kind VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE v_valid_from DATETIME(6);

    CALL price_check_inner(p_model, p_valid_from, v_model_id, v_valid_from);
    SELECT kind INTO v_kind FROM model WHERE id = v_model_id;
    IF v_kind IN ('chat', 'embedding') THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'This model is charged by tokens: use set_price.';
    ELSEIF COALESCE(p_unit, '') COLLATE ascii_bin NOT IN ('image', 'megapixel', 'second', 'video', 'request', 'kchar', 'song') THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT =
            'The unit must be image, megapixel, second, video, request, kchar or song.';
    ELSEIF p_usd IS NULL OR p_usd < 0 THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'The price must be 0 or more US dollars.';
    END IF;
    INSERT INTO price (model_id, variant, valid_from, unit, unit_usd)
    VALUES (v_model_id, COALESCE(p_variant, ''), v_valid_from, p_unit, p_usd);
    SELECT id AS price_id, p_model AS model, variant, valid_from, unit, unit_usd, set_by
    FROM price WHERE model_id = v_model_id AND valid_from >= v_valid_from ORDER BY variant, valid_from;
END //

DELIMITER ;
