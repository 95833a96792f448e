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
-- What tools cost (set_tool_price) goes over from the version before.
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
        above_cache_write_1h_usd, above_output_usd, above_reasoning_usd, web_search_usd, web_search_preview_usd, file_search_usd, container_1g_usd,
        container_4g_usd, container_16g_usd, container_64g_usd)
    SELECT v_model_id, v_valid_from, p_input_usd, p_cached_input_usd, p_cache_write_5m_usd, p_cache_write_1h_usd,
        p_output_usd, p_reasoning_usd, p_above_tokens, p_above_input_usd, p_above_cached_input_usd,
        p_above_cache_write_5m_usd, p_above_cache_write_1h_usd, p_above_output_usd, p_above_reasoning_usd,
        web_search_usd, web_search_preview_usd, file_search_usd, container_1g_usd,
        container_4g_usd, container_16g_usd, container_64g_usd
    FROM (SELECT 1) one LEFT JOIN price v ON v.id = (
        SELECT id FROM price WHERE model_id = v_model_id AND variant = '' AND valid_from <= v_valid_from
        ORDER BY valid_from DESC LIMIT 1);
    SELECT id AS price_id, p_model AS model, valid_from, input_usd, output_usd, set_by
    FROM price WHERE model_id = v_model_id AND variant = '' AND valid_from >= v_valid_from ORDER BY valid_from;
END //

-- Enters a new price version of a chat model, of every chat model that offers the tool where p_model is NULL, with
-- another price of one tool; all other prices are those of the version before. NULL: the tool is not offered any more.
-- Later versions that have been entered already stay as they are; the result shows all that are yet to come.
CREATE OR REPLACE PROCEDURE set_tool_price(
    IN p_model VARCHAR(64) CHARACTER SET ascii,
    IN p_tool VARCHAR(32) CHARACTER SET ascii,
    IN p_usd DECIMAL(18,9),
    IN p_valid_from DATETIME(6)
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Operator: new price of a tool that the provider runs. Model or NULL (all that offer it), web_search/web_search_preview/file_search (a call) or container_1g/4g/16g/64g (a container), US dollars or NULL, from'
BEGIN
    DECLARE v_valid_from DATETIME(6) DEFAULT COALESCE(p_valid_from, UTC_TIMESTAMP(6));
    DECLARE v_model_id INT UNSIGNED;

    IF COALESCE(p_tool, '') NOT IN ('web_search', 'web_search_preview', 'file_search', 'container_1g', 'container_4g',
            'container_16g', 'container_64g') THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT =
            'The tool must be web_search, web_search_preview, file_search, container_1g, container_4g, container_16g or container_64g.';
    ELSEIF p_usd < 0 THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'A price cannot be negative.';
    ELSEIF p_model IS NOT NULL THEN
        CALL price_check_inner(p_model, p_valid_from, v_model_id, v_valid_from);
    ELSEIF p_valid_from < UTC_TIMESTAMP() - INTERVAL 1 MINUTE THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT =
            'A price cannot begin in the past: calls have been charged since. NULL means now (UTC).';
    END IF;

    INSERT INTO price (model_id, valid_from, input_usd, cached_input_usd, cache_write_5m_usd, cache_write_1h_usd,
        output_usd, reasoning_usd, above_tokens, above_input_usd, above_cached_input_usd, above_cache_write_5m_usd,
        above_cache_write_1h_usd, above_output_usd, above_reasoning_usd, web_search_usd, web_search_preview_usd, file_search_usd, container_1g_usd,
        container_4g_usd, container_16g_usd, container_64g_usd)
    SELECT p.model_id, v_valid_from, p.input_usd, p.cached_input_usd, p.cache_write_5m_usd, p.cache_write_1h_usd,
        p.output_usd, p.reasoning_usd, p.above_tokens, p.above_input_usd, p.above_cached_input_usd,
        p.above_cache_write_5m_usd, p.above_cache_write_1h_usd, p.above_output_usd, p.above_reasoning_usd,
        IF(p_tool = 'web_search', p_usd, p.web_search_usd),
        IF(p_tool = 'web_search_preview', p_usd, p.web_search_preview_usd),
        IF(p_tool = 'file_search', p_usd, p.file_search_usd),
        IF(p_tool = 'container_1g', p_usd, p.container_1g_usd),
        IF(p_tool = 'container_4g', p_usd, p.container_4g_usd),
        IF(p_tool = 'container_16g', p_usd, p.container_16g_usd),
        IF(p_tool = 'container_64g', p_usd, p.container_64g_usd)
    FROM model m JOIN price p ON p.id = (
        SELECT id FROM price WHERE model_id = m.id AND variant = '' AND valid_from <= v_valid_from
        ORDER BY valid_from DESC LIMIT 1)
    WHERE m.kind = 'chat' AND p.input_usd IS NOT NULL AND (m.id = v_model_id OR (p_model IS NULL AND CASE p_tool
            WHEN 'web_search' THEN p.web_search_usd WHEN 'web_search_preview' THEN p.web_search_preview_usd
            WHEN 'file_search' THEN p.file_search_usd WHEN 'container_1g' THEN p.container_1g_usd
            WHEN 'container_4g' THEN p.container_4g_usd WHEN 'container_16g' THEN p.container_16g_usd
            ELSE p.container_64g_usd END IS NOT NULL));
    IF ROW_COUNT() = 0 THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT =
            'Nothing was changed: a chat model needs prices of its tokens first (set_price), and NULL means those that offer the tool.';
    END IF;
    SELECT p.id AS price_id, m.name AS model, p.valid_from, p.web_search_usd, p.web_search_preview_usd,
        p.file_search_usd, p.container_1g_usd, p.container_4g_usd, p.container_16g_usd, p.container_64g_usd, p.set_by
    FROM price p JOIN model m ON m.id = p.model_id
    WHERE p.variant = '' AND p.input_usd IS NOT NULL AND m.kind = 'chat' AND p.valid_from >= v_valid_from
        AND (p_model IS NULL OR m.id = v_model_id)
    ORDER BY m.name, p.valid_from;
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
