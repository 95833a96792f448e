/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "google_recording.h"
#include "surface_session.h"
#include "wire/responses.h"
#include "wire/responses_pass.h"
#include "wire/responses_tools.h"

#include <stdio.h>
#include <string.h>

enum { TEXT_MAX = 4096 };

/* '...' stands for "...". */
static void unquote(char json[TEXT_MAX], const char *text)
{
    size_t n = 0;

    for (; text[n] != '\0'; n++)
        json[n] = text[n] == '\'' ? '"' : text[n];
    json[n] = '\0';
}

static int read_tools(struct neutral_request *r, const char *tools, const char *more,
                      struct err *err)
{
    char text[TEXT_MAX];
    char json[TEXT_MAX];

    snprintf(text, sizeof text, "{'model':'m','tools':[%s]%s%s}", tools, more,
             strstr(more, "'input'") != NULL ? "" : ",'input':'x'");
    unquote(json, text);
    err_clear(err);
    return responses_read_request(r, json, strlen(json), err);
}

/* The request. */

static void offered_tools_are_read(void **state)
{
    static const struct {
        const char *tools;
        unsigned kinds;
        const char *priced;
        int64_t gb;
    } cases[] = {
        {"{'type':'web_search'}", HOSTED_WEB_SEARCH, "web_search", 0},
        {"{'type':'web_search_2025_08_26','filters':{}}", HOSTED_WEB_SEARCH, "web_search", 0},
        {"{'type':'web_search_preview'}", HOSTED_PREVIEW_SEARCH, "web_search_preview", 0},
        {"{'type':'web_search_preview_2025_03_11'}", HOSTED_PREVIEW_SEARCH, "web_search_preview",
         0},
        {"{'type':'file_search','vector_store_ids':['vs_1']}", HOSTED_FILE_SEARCH, "file_search",
         0},
        {"{'type':'mcp','server_label':'a'},{'type':'mcp','server_label':'b'}", HOSTED_MCP, "", 0},
        {"{'type':'code_interpreter','container':{'type':'auto'}}", HOSTED_CODE, "container_1g", 1},
        {"{'type':'code_interpreter','container':{'type':'auto','memory_limit':null,'file_ids':[]}"
         "}",
         HOSTED_CODE, "container_1g", 1},
        {"{'type':'code_interpreter','container':{'type':'auto','memory_limit':'4g'}}", HOSTED_CODE,
         "container_4g", 4},
        {"{'type':'code_interpreter','container':{'type':'auto','memory_limit':'16g'}}",
         HOSTED_CODE, "container_16g", 16},
        {"{'type':'web_search_preview'},{'type':'function','name':'f'},{'type':'file_search'},"
         "{'type':'code_interpreter','container':{'type':'auto','memory_limit':'64g'}},"
         "{'type':'mcp'}",
         HOSTED_PREVIEW_SEARCH | HOSTED_FILE_SEARCH | HOSTED_CODE | HOSTED_MCP,
         "web_search_preview,file_search,container_64g", 64},
        {"{'type':'function','name':'f'},{'type':'custom'}", 0, "", 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct neutral_request r;
        struct err err;
        if (read_tools(&r, cases[i].tools, "", &err) != 0)
            fail_msg("%s: %s", cases[i].tools, err.message);
        assert_int_equal(r.hosted.kinds, cases[i].kinds);
        assert_string_equal(r.hosted.priced, cases[i].priced);
        assert_int_equal(r.hosted.container_gb, cases[i].gb);
        assert_int_equal(r.hosted.max_calls, cases[i].kinds != 0 ? 8 : 0);
        assert_true(r.hosted.limit_is_ours == (cases[i].kinds != 0));
        neutral_request_fini(&r);
    }
}

static void what_is_not_offered_is_named(void **state)
{
    static const struct {
        const char *tools;
        const char *more;
        const char *param;
    } cases[] = {
        {"{'type':'code_interpreter'}", "", "tools[0].container"},
        {"{'type':'code_interpreter','container':'cntr_1'}", "", "tools[0].container"},
        {"{'type':'code_interpreter','container':{'type':'explicit'}}", "", "tools[0].container"},
        {"{'type':'code_interpreter','container':{'type':'auto','file_ids':['file-1']}}", "",
         "tools[0].container.file_ids"},
        {"{'type':'code_interpreter','container':{'type':'auto','network_policy':{}}}", "",
         "tools[0].container.network_policy"},
        {"{'type':'code_interpreter','container':{'type':'auto','memory_limit':'2g'}}", "",
         "tools[0].container.memory_limit"},
        {"{'type':'code_interpreter','container':{'type':'auto','memory_limit':4}}", "",
         "tools[0].container.memory_limit"},
        {"{'type':'web_search'},{'type':'web_search'}", "", "tools[1]"},
        {"{'type':'web_search'},{'type':'mcp'},{'type':'web_search_preview'}", "", "tools[2]"},
        {"{'type':'file_search'},{'type':'file_search'}", "", "tools[1]"},
        {"{'type':'namespace','tools':[{'type':'web_search'}]}", "", "tools[0]"},
        {"{'type':'image_generation'}", "", "tools[0]"},
        {"{'type':'computer_use_preview'}", "", "tools[0]"},
        {"{'type':'shell'}", "", "tools[0]"},
        {"{'type':'web_search_2026'}", "", "tools[0]"},
        {"{'type':'web_search'}", ",'max_tool_calls':0", "max_tool_calls"},
        {"{'type':'web_search'}", ",'max_tool_calls':129", "max_tool_calls"},
        {"{'type':'web_search'}", ",'max_tool_calls':'8'", "max_tool_calls"},
        {"", ",'input':[{'type':'tool_search_output','tools':[{'type':'web_search'}]}]",
         "input[0].tools[0]"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct neutral_request r;
        struct err err;
        if (read_tools(&r, cases[i].tools, cases[i].more, &err) == 0)
            fail_msg("%s%s is taken", cases[i].tools, cases[i].more);
        assert_int_equal(err.status, 400);
        assert_string_equal(err.param, cases[i].param);
        assert_non_null(strstr(err.message, err.param));
    }
}

static void assert_sent(const char *tools, const char *more, int64_t calls)
{
    struct neutral_target target = {.upstream_model = "up", .output_limit = 50};
    struct json_object *sent = NULL;
    struct neutral_request r;
    struct buf out;
    struct err err;

    buf_init(&out, TEXT_MAX);
    assert_int_equal(read_tools(&r, tools, more, &err), 0);
    responses_pass_request(&out, &r, &target, true);
    assert_int_equal(jsonx_parse(&sent, out.data, out.len, &err), 0);
    assert_int_equal(jsonx_i64(sent, "max_tool_calls", -1), calls);
    assert_true(json_object_equal(jsonx_get(sent, "tools"), jsonx_get(r.body, "tools")));
    json_object_put(sent);
    neutral_request_fini(&r);
    buf_fini(&out);
}

static void a_limit_always_goes_along(void **state)
{
    (void)state;
    assert_sent("{'type':'web_search','user_location':{'type':'approximate'}}", "", 8);
    assert_sent("{'type':'web_search'}", ",'max_tool_calls':null", 8);
    assert_sent("{'type':'mcp','server_url':'https://a.example/x','authorization':'t'}",
                ",'max_tool_calls':128", 128);
    /* Without such tools it is the client's own. */
    assert_sent("{'type':'function','name':'f'}", ",'max_tool_calls':500", 500);
    assert_sent("{'type':'function','name':'f'}", "", -1);
}

/* Other models: the tool is refused by name, and what earlier turns left behind is not. */
static void another_models_route(void **state)
{
    static const char *const tools[] = {"web_search", "file_search", "mcp", "web_search_preview"};
    static const struct {
        const char *type;
        bool taken;
    } items[] = {{"web_search_call", true},
                 {"file_search_call", true},
                 {"code_interpreter_call", true},
                 {"mcp_list_tools", true},
                 {"mcp_call", true},
                 {"mcp_approval_request", false},
                 {"mcp_approval_response", false}};
    struct arena *arena = arena_new();
    struct neutral_request r;
    struct err err;
    char text[TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(tools); i++) {
        snprintf(text, sizeof text, "{'type':'function','name':'f'},{'type':'%s'}", tools[i]);
        assert_int_equal(read_tools(&r, text, "", &err), 0);
        assert_int_equal(responses_read_content(&r, arena, &err), -1);
        assert_int_equal(err.status, 400);
        assert_string_equal(err.param, "tools[1]");
        assert_non_null(strstr(err.message, tools[i]));
        assert_non_null(strstr(err.message, "'m'"));
        neutral_request_fini(&r);
    }
    for (size_t i = 0; i < ARRAY_LEN(items); i++) {
        bool lists = strcmp(items[i].type, "mcp_list_tools") == 0;
        snprintf(text, sizeof text,
                 ",'input':[{'role':'user','content':'x'},{'type':'%s','id':'i'%s}]", items[i].type,
                 lists ? ",'tools':[{'name':'t'}]" : "");
        assert_int_equal(read_tools(&r, "", text, &err), 0);
        bool taken = responses_read_content(&r, arena, &err) == 0;
        assert_true(taken == items[i].taken);
        if (taken)
            assert_int_equal(r.content->message_count, 1);
        else
            assert_string_equal(err.param, "input[1].type");
        neutral_request_fini(&r);
    }
    arena_free(arena);
}

/* The answer. */

static const struct counted {
    const char *tools; /* of the request */
    const char *items;
    struct usage_tools counts;
} counted[] = {
    {"{'type':'web_search'}", "", {0}},
    {"{'type':'web_search'}",
     "{'type':'web_search_call','status':'completed','action':{'type':'search','query':'q'}},"
     "{'type':'web_search_call','status':'completed','action':{'type':'open_page','url':'u'}},"
     "{'type':'web_search_call','status':'completed','action':{'type':'find_in_page'}},"
     "{'type':'web_search_call','status':'completed'},{'type':'web_search_call','action':{}},"
     "{'type':'web_search_call','status':'failed','action':{'type':'search'}},"
     "{'type':'message','content':[]},7,null",
     {.web_searches = 3}},
    {"{'type':'web_search_preview'},{'type':'file_search'}",
     "{'type':'web_search_call','action':{'type':'search'}},{'type':'file_search_call'},"
     "{'type':'file_search_call','status':'completed'},{'type':'file_search_call','status':"
     "'failed'}",
     {.preview_searches = 1, .file_searches = 2}},
    /* A container is opened before the model has asked for it. */
    {"{'type':'code_interpreter','container':{'type':'auto'}}",
     "",
     {.containers = 1, .container_gb = 1}},
    {"{'type':'code_interpreter','container':{'type':'auto','memory_limit':'4g'}}",
     "{'type':'code_interpreter_call','container_id':'a'},{'type':'code_interpreter_call',"
     "'container_id':'a'}",
     {.containers = 1, .container_gb = 4}},
    {"{'type':'code_interpreter','container':{'type':'auto','memory_limit':'4g'}}",
     "{'type':'code_interpreter_call','container_id':'a'},{'type':'code_interpreter_call',"
     "'container_id':'b'},{'type':'code_interpreter_call','container_id':'a'},"
     "{'type':'code_interpreter_call'}",
     {.containers = 3, .container_gb = 4}},
    {"{'type':'mcp'}",
     "{'type':'mcp_list_tools'},{'type':'mcp_call'},{'type':'mcp_call','error':'x'},"
     "{'type':'mcp_approval_request'}",
     {0}},
    /* Not offered: nothing of it is charged. */
    {"{'type':'function','name':'f'}", "{'type':'web_search_call'}", {0}},
};

static void assert_counts(const struct usage_tools *got, const struct usage_tools *want)
{
    assert_int_equal(got->web_searches, want->web_searches);
    assert_int_equal(got->preview_searches, want->preview_searches);
    assert_int_equal(got->file_searches, want->file_searches);
    assert_int_equal(got->containers, want->containers);
    assert_int_equal(got->container_gb, want->container_gb);
}

static void begin(struct surface_session *s, const char *tools, const char *more)
{
    char text[TEXT_MAX];
    char json[TEXT_MAX];

    snprintf(text, sizeof text, "{'model':'my-model','input':'x','tools':[%s]%s}", tools, more);
    unquote(json, text);
    surface_init(s, &responses_format, json);
}

static void feed_event(struct surface_session *s, const char *text)
{
    char json[TEXT_MAX];
    char event[TEXT_MAX + 16];

    unquote(json, text);
    int n = snprintf(event, sizeof event, "data: %s\n\n", json);
    surface_feed(s, event, (size_t)n);
}

static void plain_answers_are_counted(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(counted); i++) {
        struct surface_session s;
        char text[TEXT_MAX];
        char json[TEXT_MAX];
        struct json_object *answer = NULL;
        begin(&s, counted[i].tools, "");
        snprintf(text, sizeof text,
                 "{'status':'completed','output':[%s],'usage':{'input_tokens':9,'output_tokens':4}"
                 "}",
                 counted[i].items);
        unquote(json, text);
        assert_int_equal(jsonx_parse(&answer, json, strlen(json), &s.err), 0);
        assert_int_equal(s.format->read_answer(&s.reader, answer, surface_event, &s, &s.err), 0);
        assert_true(s.usage.known && s.usage.prompt == 9 && s.usage.completion == 4);
        assert_counts(&s.usage.tools, &counted[i].counts);
        json_object_put(answer);
        surface_fini(&s);
    }
}

/* Item after item: what a client that leaves is charged for, without token counts. */
static void streams_are_counted_as_they_go(void **state)
{
    struct surface_session s;

    (void)state;
    begin(&s, "{'type':'web_search'},{'type':'code_interpreter','container':{'type':'auto'}}",
          ",'stream':true");
    feed_event(&s, "{'type':'response.created','response':{'id':'r'}}");
    assert_counts(&s.usage.tools, &(struct usage_tools){.containers = 1, .container_gb = 1});
    assert_false(s.usage.known);
    feed_event(&s, "{'type':'response.output_item.added','item':{'type':'web_search_call'}}");
    feed_event(&s, "{'type':'response.web_search_call.searching'}");
    assert_int_equal(s.usage.tools.web_searches, 0);
    feed_event(&s, "{'type':'response.output_item.done','item':{'type':'web_search_call','action':"
                   "{'type':'search'}}}");
    assert_int_equal(s.usage.tools.web_searches, 1);
    feed_event(&s, "{'type':'response.output_item.done','item':{'type':'code_interpreter_call',"
                   "'container_id':'a'}}");
    feed_event(&s, "{'type':'response.output_item.done','item':{'type':'code_interpreter_call',"
                   "'container_id':'b'}}");
    assert_counts(&s.usage.tools,
                  &(struct usage_tools){.web_searches = 1, .containers = 2, .container_gb = 1});
    assert_false(s.usage.known || s.done);
    /* The whole output decides, also without usage. */
    feed_event(&s, "{'type':'response.completed','response':{'output':[{'type':'web_search_call'},"
                   "{'type':'web_search_call'}]}}");
    assert_true(s.done && !s.failed && !s.usage.known);
    assert_counts(&s.usage.tools,
                  &(struct usage_tools){.web_searches = 2, .containers = 1, .container_gb = 1});
    surface_fini(&s);
}

static void no_more_is_counted_than_was_allowed(void **state)
{
    struct surface_session s;

    (void)state;
    begin(&s, "{'type':'web_search'},{'type':'mcp'}", ",'stream':true,'max_tool_calls':2");
    feed_event(&s, "{'type':'response.completed','response':{'output':[{'type':'web_search_call'},"
                   "{'type':'mcp_call'},{'type':'web_search_call'},{'type':'web_search_call'}]}}");
    assert_true(s.done);
    assert_int_equal(s.usage.tools.web_searches, 1);
    surface_fini(&s);
}

static void recorded_answers(void **state)
{
    static const struct {
        const char *name;
        const char *tools;
        struct usage_tools counts;
        int64_t prompt;
        bool stream;
    } cases[] = {
        {"web-search-tool-six-searches.0", "{'type':'web_search'}", {.web_searches = 6}, 115886, 0},
        {"web-search-tool-stream.0", "{'type':'web_search'}", {.web_searches = 1}, 9463, true},
        /* Two searches and two pages that were opened. */
        {"web-search-tool-with-allowed-domains.0",
         "{'type':'web_search'}",
         {.web_searches = 2},
         22013,
         false},
        {"file-search-tool-stream.3", "{'type':'file_search'}", {.file_searches = 1}, 1177, true},
        {"thinking-with-code-execution-tool.0",
         "{'type':'code_interpreter','container':{'type':'auto'}}",
         {.containers = 1, .container_gb = 1},
         1493,
         false},
        {"thinking-with-code-execution-tool-stream.0",
         "{'type':'code_interpreter','container':{'type':'auto'}}",
         {.containers = 1, .container_gb = 1},
         3727,
         true},
        {"mcp-server-tool.0", "{'type':'mcp'}", {0}, 1207, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct surface_session s;
        char name[128];
        snprintf(name, sizeof name, "openai-responses.%s", cases[i].name);
        begin(&s, cases[i].tools, cases[i].stream ? ",'stream':true" : "");
        if (cases[i].stream) {
            struct buf text;
            recording_read(&text, "openai", name, "response.sse");
            surface_feed(&s, text.data, text.len);
            buf_fini(&text);
        } else {
            struct json_object *answer = recording_json("openai", name, "response.json");
            assert_int_equal(s.format->read_answer(&s.reader, answer, surface_event, &s, &s.err),
                             0);
            json_object_put(answer);
        }
        assert_true(s.done && !s.failed && s.usage.known);
        assert_int_equal(s.usage.prompt, cases[i].prompt);
        assert_counts(&s.usage.tools, &cases[i].counts);
        surface_fini(&s);
    }
}

/* Secrets. */

static void secrets_of_servers_are_masked(void **state)
{
    static const char tool[] =
        "{'type':'mcp','server_label':'l','server_url':'https://a.example/mcp','authorization':"
        "'s3cret','headers':{'X-Key':'k3y','X-Other':'0ther'},'require_approval':'never'}";
    struct surface_session s;
    char json[TEXT_MAX];
    char event[TEXT_MAX];

    (void)state;
    unquote(json, tool);
    begin(&s, tool, ",'stream':true");
    /* Even if the provider sends them back. */
    snprintf(event, sizeof event, "{'type':'response.created','response':{'tools':[%s]}}", tool);
    feed_event(&s, event);
    assert_non_null(strstr(s.out.data, "<redacted>"));
    assert_non_null(strstr(s.out.data, "https://a.example/mcp"));
    assert_null(strstr(s.out.data, "s3cret"));
    assert_null(strstr(s.out.data, "k3y"));
    assert_null(strstr(s.out.data, "0ther"));
    assert_non_null(strstr(s.out.data, "X-Other"));
    /* The request still has them. */
    struct json_object *sent = json_object_array_get_idx(jsonx_array(s.request.body, "tools"), 0);
    assert_string_equal(jsonx_str(sent, "authorization", ""), "s3cret");
    assert_string_equal(jsonx_str(jsonx_object(sent, "headers"), "X-Key", ""), "k3y");
    surface_fini(&s);

    /* A failure before the provider has said anything shows the client's own tools. */
    begin(&s, tool, ",'stream':true");
    err_set(&s.err, ERR_UPSTREAM, NULL, "refused: s3cret and k3y");
    responses_tools_conceal(&s.err, &s.request);
    assert_string_equal(s.err.message, "refused: ****** and ***");
    responses_write_failure(&s.out, &s.writer, &s.err);
    assert_non_null(strstr(s.out.data, "<redacted>"));
    assert_null(strstr(s.out.data, "s3cret"));
    assert_null(strstr(s.out.data, "0ther"));
    surface_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offered_tools_are_read),
        cmocka_unit_test(what_is_not_offered_is_named),
        cmocka_unit_test(a_limit_always_goes_along),
        cmocka_unit_test(another_models_route),
        cmocka_unit_test(plain_answers_are_counted),
        cmocka_unit_test(streams_are_counted_as_they_go),
        cmocka_unit_test(no_more_is_counted_than_was_allowed),
        cmocka_unit_test(recorded_answers),
        cmocka_unit_test(secrets_of_servers_are_masked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
