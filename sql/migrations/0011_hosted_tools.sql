-- SPDX-License-Identifier: Apache-2.0
-- Tools that the provider runs itself during a call: what they cost, how often a call used them.
-- A model offers a tool where its price version has a price for it.

ALTER TABLE price
    ADD COLUMN IF NOT EXISTS web_search_usd DECIMAL(18,9) NULL
        COMMENT 'Web search, US dollars a call; empty: the model does not offer it' AFTER above_reasoning_usd,
    ADD COLUMN IF NOT EXISTS web_search_preview_usd DECIMAL(18,9) NULL
        COMMENT 'Web search of the preview generation, US dollars a call; empty: not offered' AFTER web_search_usd,
    ADD COLUMN IF NOT EXISTS file_search_usd DECIMAL(18,9) NULL
        COMMENT 'File search, US dollars a call; empty: not offered' AFTER web_search_preview_usd,
    ADD COLUMN IF NOT EXISTS container_1g_usd DECIMAL(18,9) NULL
        COMMENT 'Code interpreter with 1 GB, US dollars a container; empty: not offered' AFTER file_search_usd,
    ADD COLUMN IF NOT EXISTS container_4g_usd DECIMAL(18,9) NULL
        COMMENT 'Code interpreter with 4 GB, US dollars a container; empty: not offered' AFTER container_1g_usd,
    ADD COLUMN IF NOT EXISTS container_16g_usd DECIMAL(18,9) NULL
        COMMENT 'Code interpreter with 16 GB, US dollars a container; empty: not offered' AFTER container_4g_usd,
    ADD COLUMN IF NOT EXISTS container_64g_usd DECIMAL(18,9) NULL
        COMMENT 'Code interpreter with 64 GB, US dollars a container; empty: not offered' AFTER container_16g_usd,
    ADD CONSTRAINT IF NOT EXISTS price_tool_not_negative CHECK (LEAST(COALESCE(web_search_usd, 0),
        COALESCE(web_search_preview_usd, 0), COALESCE(file_search_usd, 0), COALESCE(container_1g_usd, 0),
        COALESCE(container_4g_usd, 0), COALESCE(container_16g_usd, 0), COALESCE(container_64g_usd, 0)) >= 0);

ALTER TABLE usage_log
    ADD COLUMN IF NOT EXISTS web_searches INT UNSIGNED NOT NULL DEFAULT 0
        COMMENT 'Web searches that were charged' AFTER quantity,
    ADD COLUMN IF NOT EXISTS preview_searches INT UNSIGNED NOT NULL DEFAULT 0
        COMMENT 'Web searches of the preview generation that were charged' AFTER web_searches,
    ADD COLUMN IF NOT EXISTS file_searches INT UNSIGNED NOT NULL DEFAULT 0
        COMMENT 'File searches that were charged' AFTER preview_searches,
    ADD COLUMN IF NOT EXISTS containers INT UNSIGNED NOT NULL DEFAULT 0
        COMMENT 'Containers of the code interpreter that were charged' AFTER file_searches,
    ADD COLUMN IF NOT EXISTS container_gb TINYINT UNSIGNED NULL
        COMMENT 'Memory of each of them: 1, 4, 16 or 64 GB; empty: there was none' AFTER containers;

-- What an older seed had. No call has been charged by these columns, so no charge changes; sources stand in seed.sql.
UPDATE price p JOIN model m ON m.id = p.model_id
SET p.web_search_usd = CASE m.name WHEN 'gpt-4o-mini' THEN 0.0112 WHEN 'gpt-4.1-mini' THEN 0.0132 ELSE 0.01 END,
    p.web_search_preview_usd = IF(FIND_IN_SET('reasoning', m.capabilities), 0.01, 0.025),
    p.file_search_usd = 0.0025,
    p.container_1g_usd = 0.03, p.container_4g_usd = 0.12, p.container_16g_usd = 0.48, p.container_64g_usd = 1.92
WHERE m.owned_by = 'openai' AND m.kind = 'chat' AND p.variant = '' AND p.input_usd IS NOT NULL
    AND COALESCE(p.web_search_usd, p.web_search_preview_usd, p.file_search_usd, p.container_1g_usd) IS NULL;
