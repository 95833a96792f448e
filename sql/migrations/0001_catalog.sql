-- SPDX-License-Identifier: Apache-2.0
-- Models, what they cost us, where they are sent, and what customers pay on top.
-- Every statement can be repeated, so a migration that was interrupted is simply run again.

CREATE TABLE IF NOT EXISTS schema_version (
    version SMALLINT UNSIGNED NOT NULL COMMENT 'Number of the migration',
    name VARCHAR(80) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'File name of the migration',
    checksum CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL
        COMMENT 'SHA-256 of the file, hex; empty if it was pasted by hand',
    applied_at DATETIME NOT NULL DEFAULT UTC_TIMESTAMP() COMMENT 'When it was applied, UTC',
    PRIMARY KEY (version)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
  COMMENT='Migrations that this database has had';

CREATE TABLE IF NOT EXISTS tier (
    id SMALLINT UNSIGNED NOT NULL AUTO_INCREMENT COMMENT 'Number of the tier',
    name VARCHAR(32) NOT NULL COMMENT 'Name shown to customers',
    min_spend_usd DECIMAL(18,9) NOT NULL COMMENT 'Charged spend of 30 days from which the tier applies, US dollars',
    markup DECIMAL(6,4) NOT NULL COMMENT 'Added to our cost, as a fraction: 0.4000 is 40 %',
    PRIMARY KEY (id),
    UNIQUE KEY name (name),
    UNIQUE KEY min_spend_usd (min_spend_usd),
    CONSTRAINT tier_min_spend_usd CHECK (min_spend_usd >= 0),
    CONSTRAINT tier_markup CHECK (markup >= 0)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
  COMMENT='Price tiers: the more an account spends, the lower its markup';

CREATE TABLE IF NOT EXISTS model (
    id INT UNSIGNED NOT NULL AUTO_INCREMENT COMMENT 'Number of the model',
    name VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'Name that clients ask for',
    kind ENUM('chat','embedding','image','video','music','speech') CHARACTER SET ascii COLLATE ascii_bin NOT NULL
        COMMENT 'What it makes',
    owned_by VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'Maker, as GET /v1/models shows it',
    dialect VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL
        COMMENT 'Which parameters this generation takes (name of a table in the program)',
    context_length INT UNSIGNED NULL COMMENT 'Largest prompt and answer together, tokens',
    max_output_tokens INT UNSIGNED NULL COMMENT 'Largest answer, tokens; empty where there is none',
    dimensions SMALLINT UNSIGNED NULL COMMENT 'Embeddings: length of the vector by default',
    capabilities VARCHAR(160) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT ''
        COMMENT 'Comma list: tools, vision, json, stream, reasoning, dimensions',
    message_tokens SMALLINT UNSIGNED NOT NULL DEFAULT 8
        COMMENT 'Hold: tokens added to the bound of a prompt for each message',
    tool_tokens SMALLINT UNSIGNED NOT NULL DEFAULT 32
        COMMENT 'Hold: tokens added to the bound of a prompt for each tool',
    image_tokens INT UNSIGNED NOT NULL DEFAULT 6000
        COMMENT 'Hold: tokens that one image can cost at most',
    retires_on DATE NULL COMMENT 'From this day (UTC) calls go to the successor; empty: not announced',
    successor VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL COMMENT 'Name of the model that takes over',
    enabled TINYINT(1) NOT NULL DEFAULT 1 COMMENT '1: may be called, 0: hidden and refused',
    note VARCHAR(500) NOT NULL DEFAULT '' COMMENT 'Where the figures come from, what to know',
    created_at DATETIME NOT NULL DEFAULT UTC_TIMESTAMP() COMMENT 'When it joined the catalog, UTC',
    PRIMARY KEY (id),
    UNIQUE KEY name (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
  COMMENT='Models that clients can call; a model without a price cannot be called';

CREATE TABLE IF NOT EXISTS model_alias (
    alias VARCHAR(96) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'Other name that clients may use',
    model_id INT UNSIGNED NOT NULL COMMENT 'Model that is meant',
    PRIMARY KEY (alias),
    KEY model_id (model_id),
    CONSTRAINT model_alias_model FOREIGN KEY (model_id) REFERENCES model (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
  COMMENT='Other names of models: dated snapshots, names of OpenRouter, old names';

CREATE TABLE IF NOT EXISTS price (
    id INT UNSIGNED NOT NULL AUTO_INCREMENT COMMENT 'Number of the price version; usage rows name it',
    model_id INT UNSIGNED NOT NULL COMMENT 'Model that it is for',
    variant VARCHAR(120) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT ''
        COMMENT 'Media: parameters that this price is for, such as resolution=4K; empty: the basic price',
    valid_from DATETIME(6) NOT NULL COMMENT 'Applies to calls that begin at this time or later, UTC',
    input_usd DECIMAL(18,9) NULL COMMENT 'Input, US dollars per million tokens',
    cached_input_usd DECIMAL(18,9) NULL COMMENT 'Input read from a cache, US dollars per million tokens; empty: as input',
    cache_write_5m_usd DECIMAL(18,9) NULL
        COMMENT 'Input written to a cache for 5 minutes, US dollars per million tokens; empty: as input',
    cache_write_1h_usd DECIMAL(18,9) NULL
        COMMENT 'Input written to a cache for 1 hour, US dollars per million tokens; empty: as input',
    output_usd DECIMAL(18,9) NULL COMMENT 'Output, US dollars per million tokens; empty: no output (embeddings)',
    reasoning_usd DECIMAL(18,9) NULL COMMENT 'Reasoning tokens, US dollars per million; empty: as output',
    above_tokens INT UNSIGNED NULL
        COMMENT 'A prompt of more tokens than this makes the whole request cost the above_ prices; empty: no such step',
    above_input_usd DECIMAL(18,9) NULL COMMENT 'Long prompts: input, US dollars per million tokens',
    above_cached_input_usd DECIMAL(18,9) NULL COMMENT 'Long prompts: cached input; empty: as their input',
    above_cache_write_5m_usd DECIMAL(18,9) NULL COMMENT 'Long prompts: cache write for 5 minutes; empty: as their input',
    above_cache_write_1h_usd DECIMAL(18,9) NULL COMMENT 'Long prompts: cache write for 1 hour; empty: as their input',
    above_output_usd DECIMAL(18,9) NULL COMMENT 'Long prompts: output, US dollars per million tokens',
    above_reasoning_usd DECIMAL(18,9) NULL COMMENT 'Long prompts: reasoning tokens; empty: as their output',
    max_input_usd DECIMAL(18,9) AS (GREATEST(input_usd, COALESCE(cached_input_usd, 0),
        COALESCE(cache_write_5m_usd, 0), COALESCE(cache_write_1h_usd, 0))) STORED
        COMMENT 'Dearest kind of input, which holds reckon with; computed',
    max_output_usd DECIMAL(18,9) AS (GREATEST(COALESCE(output_usd, 0), COALESCE(reasoning_usd, 0))) STORED
        COMMENT 'Dearer of output and reasoning, which holds reckon with; computed',
    above_max_input_usd DECIMAL(18,9) AS (GREATEST(above_input_usd, COALESCE(above_cached_input_usd, 0),
        COALESCE(above_cache_write_5m_usd, 0), COALESCE(above_cache_write_1h_usd, 0))) STORED
        COMMENT 'Long prompts: dearest kind of input; computed',
    above_max_output_usd DECIMAL(18,9) AS (GREATEST(COALESCE(above_output_usd, 0), COALESCE(above_reasoning_usd, 0)))
        STORED COMMENT 'Long prompts: dearer of output and reasoning; computed',
    unit ENUM('image','megapixel','second','video','request','kchar') CHARACTER SET ascii COLLATE ascii_bin NULL
        COMMENT 'Media: what is counted (kchar: 1000 characters)',
    unit_usd DECIMAL(18,9) NULL COMMENT 'Media: US dollars per unit',
    set_by ENUM('seed','operator') CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'operator'
        COMMENT 'Who entered it',
    created_at DATETIME NOT NULL DEFAULT UTC_TIMESTAMP() COMMENT 'When it was entered, UTC',
    PRIMARY KEY (id),
    UNIQUE KEY model_variant_from (model_id, variant, valid_from),
    CONSTRAINT price_model FOREIGN KEY (model_id) REFERENCES model (id),
    CONSTRAINT price_kind CHECK (input_usd IS NOT NULL OR unit_usd IS NOT NULL),
    CONSTRAINT price_unit CHECK ((unit IS NULL) = (unit_usd IS NULL)),
    CONSTRAINT price_above CHECK (above_tokens IS NULL OR
        (above_input_usd IS NOT NULL AND (output_usd IS NULL) = (above_output_usd IS NULL))),
    CONSTRAINT price_not_negative CHECK (LEAST(
        COALESCE(input_usd, 0), COALESCE(cached_input_usd, 0), COALESCE(cache_write_5m_usd, 0),
        COALESCE(cache_write_1h_usd, 0), COALESCE(output_usd, 0), COALESCE(reasoning_usd, 0),
        COALESCE(above_input_usd, 0), COALESCE(above_cached_input_usd, 0), COALESCE(above_cache_write_5m_usd, 0),
        COALESCE(above_cache_write_1h_usd, 0), COALESCE(above_output_usd, 0), COALESCE(above_reasoning_usd, 0),
        COALESCE(unit_usd, 0)) >= 0)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
  COMMENT='What we pay, before markup. Rows are never changed: a new price is a new row (CALL set_price)';

CREATE TABLE IF NOT EXISTS route (
    model_id INT UNSIGNED NOT NULL COMMENT 'Model that was asked for',
    position TINYINT UNSIGNED NOT NULL COMMENT '0: where calls go; 1, 2: tried in turn when it fails',
    provider ENUM('openai','openai-responses','anthropic','google','openrouter','kie')
        CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'Provider and its interface',
    upstream_model VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'Name of the model there',
    price_model_id INT UNSIGNED NOT NULL COMMENT 'Model whose price applies when this route serves',
    enabled TINYINT(1) NOT NULL DEFAULT 1 COMMENT '1: used, 0: skipped',
    PRIMARY KEY (model_id, position),
    KEY price_model_id (price_model_id),
    CONSTRAINT route_model FOREIGN KEY (model_id) REFERENCES model (id),
    CONSTRAINT route_price_model FOREIGN KEY (price_model_id) REFERENCES model (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
  COMMENT='Where the calls of a model are sent, and what replaces it when that fails';

CREATE TABLE IF NOT EXISTS upstream_health (
    provider VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'Provider, as in route',
    failures INT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'Failures in a row; 0 after a success',
    down_until DATETIME(6) NULL COMMENT 'Not called before this time, UTC; empty: up',
    probe_until DATETIME(6) NULL COMMENT 'One process tries it until this time, UTC; empty: no probe runs',
    last_failure_at DATETIME(6) NULL COMMENT 'Last failure, UTC',
    last_success_at DATETIME(6) NULL COMMENT 'Last success after a failure, UTC',
    last_error VARCHAR(160) NOT NULL DEFAULT '' COMMENT 'What the last failure was',
    PRIMARY KEY (provider)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
  COMMENT='Which providers are up; holds no money, the program writes it';
