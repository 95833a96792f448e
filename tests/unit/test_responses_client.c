/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "unit.h"
#include "wire/responses.h"
#include "wire/responses_client.h"

#include <stdio.h>
#include <string.h>

static int read_text(struct neutral_request *r, const char *text, struct err *err)
{
    err_clear(err);
    return responses_read_request(r, text, strlen(text), err);
}

/* '...' stands for "...". */
static void read_ok(struct neutral_request *r, const char *text)
{
    char json[4096];
    struct err err;
    size_t n = 0;

    for (; text[n] != '\0'; n++)
        json[n] = text[n] == '\'' ? '"' : text[n];
    json[n] = '\0';
    if (read_text(r, json, &err) != 0)
        fail_msg("%s: %s", text, err.message);
}

static void refused(const char *text, const char *param)
{
    struct neutral_request r;
    char json[4096];
    struct err err;
    size_t n = 0;

    for (; text[n] != '\0'; n++)
        json[n] = text[n] == '\'' ? '"' : text[n];
    json[n] = '\0';
    if (read_text(&r, json, &err) == 0)
        fail_msg("%s is taken", text);
    assert_int_equal(err.status, 400);
    assert_string_equal(err.param, param);
}

static void fields_are_read(void **state)
{
    struct neutral_request r;

    (void)state;
    read_ok(&r, "{'model':'m','input':'hi','stream':true,'max_output_tokens':77,'new':1}");
    assert_int_equal(r.language, LANGUAGE_RESPONSES);
    assert_string_equal(r.model, "m");
    assert_true(r.stream && r.output_limit == 77 && r.choices == 1 && !r.keep_nothing);
    assert_false(responses_wants_store(&r));
    assert_null(responses_previous_id(&r));
    neutral_request_fini(&r);
    read_ok(&r, "{'model':'m','input':[],'previous_response_id':'resp_1','store':true}");
    assert_true(responses_wants_store(&r) && !r.keep_nothing && !r.stream && r.output_limit == 0);
    assert_string_equal(responses_previous_id(&r), "resp_1");
    neutral_request_fini(&r);
    read_ok(&r, "{'model':'m','previous_response_id':'resp_1','store':false}");
    assert_true(!responses_wants_store(&r) && r.keep_nothing);
    neutral_request_fini(&r);
}

static void what_is_wrong_is_named(void **state)
{
    static const struct {
        const char *text;
        const char *param;
    } cases[] = {
        {"[]", ""},
        {"{'input':'x'}", "model"},
        {"{'model':'','input':'x'}", "model"},
        {"{'model':5,'input':'x'}", "model"},
        {"{'model':'m'}", "input"},
        {"{'model':'m','input':{}}", "input"},
        {"{'model':'m','input':[]}", "input"},
        {"{'model':'m','input':[1]}", "input[0]"},
        {"{'model':'m','input':[{'role':'user'},null]}", "input[1]"},
        {"{'model':'m','input':[{'type':3}]}", "input[0].type"},
        {"{'model':'m','input':[{'type':'message'}]}", "input[0].role"},
        {"{'model':'m','input':[{'role':'user','content':7}]}", "input[0].content"},
        {"{'model':'m','input':[{'type':'function_call_output','output':{}}]}", "input[0].output"},
        {"{'model':'m','input':'x','stream':1}", "stream"},
        {"{'model':'m','input':'x','max_output_tokens':0}", "max_output_tokens"},
        {"{'model':'m','input':'x','max_output_tokens':1.0}", "max_output_tokens"},
        {"{'model':'m','input':'x','store':'yes'}", "store"},
        {"{'model':'m','input':'x','metadata':[]}", "metadata"},
        {"{'model':'m','input':'x','reasoning':'low'}", "reasoning"},
        {"{'model':'m','input':'x','text':'low'}", "text"},
        {"{'model':'m','input':'x','include':'all'}", "include"},
        {"{'model':'m','input':'x','instructions':[]}", "instructions"},
        {"{'model':'m','input':'x','previous_response_id':1}", "previous_response_id"},
        {"{'model':'m','input':'x','tools':{}}", "tools"},
        {"{'model':'m','input':'x','tools':[{}]}", "tools[0]"},
        {"{'model':'m','input':'x','tools':[7]}", "tools[0]"},
        {"{'model':'m','input':'x','max_tool_calls':0}", "max_tool_calls"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        refused(cases[i].text, cases[i].param);
}

static void what_is_dearer_than_the_hold_is_refused(void **state)
{
    static const char *const tools[] = {"image_generation", "computer",    "shell",
                                        "local_shell",      "tool_search", "a_new_one"};
    char text[256];

    (void)state;
    refused("{'model':'m','input':'x','service_tier':'priority'}", "service_tier");
    refused("{'model':'m','input':'x','background':true}", "background");
    refused("{'model':'m','input':'x','conversation':{'id':'c'}}", "conversation");
    refused("{'model':'m','input':'x','prompt':{'id':'p'}}", "prompt");
    refused("{'model':'m','input':'x','context_management':[]}", "context_management");
    for (size_t i = 0; i < ARRAY_LEN(tools); i++) {
        snprintf(text, sizeof text,
                 "{'model':'m','input':'x','tools':[{'type':'function'},{'type':'%s'}]}", tools[i]);
        refused(text, "tools[1]");
        snprintf(text, sizeof text,
                 "{'model':'m','input':'x','tools':[{'type':'namespace','tools':[{'type':'%s'}]}]}",
                 tools[i]);
        refused(text, "tools[0]");
    }
    refused("{'model':'m','input':'x','tools':[{'type':'namespace','tools':[{'type':'namespace'}]}"
            "]}",
            "tools[0]");
}

static void what_costs_nothing_more_is_taken(void **state)
{
    static const char *const texts[] = {
        "{'model':'m','input':'x','service_tier':'flex','background':false,'conversation':null}",
        "{'model':'m','input':'x','tools':[{'type':'function','name':'f'},{'type':'custom'}]}",
        "{'model':'m','input':'x','tools':[{'type':'namespace','tools':[{'type':'function'}]}]}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct neutral_request r;
        read_ok(&r, texts[i]);
        neutral_request_fini(&r);
    }
}

/* The size of the prompt. */

static struct neutral_size size_of(const char *text)
{
    struct neutral_request r;

    read_ok(&r, text);
    struct neutral_size size = r.size;
    neutral_request_fini(&r);
    return size;
}

static void all_text_counts(void **state)
{
    static const struct {
        const char *text;
        int64_t least; /* bytes of text in it */
    } cases[] = {
        {"{'model':'m','input':'0123456789'}", 10},
        {"{'model':'m','input':'01234','instructions':'56789'}", 10},
        {"{'model':'m','input':[{'role':'user','content':'0123456789'}]}", 10},
        {"{'model':'m','input':[{'role':'user','content':[{'type':'input_text','text':'0123'},"
         "{'type':'new','x':{'y':['456','789']}}]}]}",
         10},
        {"{'model':'m','input':[{'type':'function_call','name':'01','arguments':'23456789'}]}", 10},
        {"{'model':'m','input':[{'type':'function_call_output','output':[{'type':'input_text',"
         "'text':'0123456789'}]}]}",
         10},
        {"{'model':'m','input':[{'type':'reasoning','encrypted_content':'0123456789'}]}", 10},
        {"{'model':'m','input':'x','tools':[{'type':'function','name':'012','description':'3456',"
         "'parameters':{'789':{}}}]}",
         10},
        {"{'model':'m','input':'x','text':{'format':{'schema':{'a':'0123456789'}}}}", 10},
        {"{'model':'m','input':'x','a_new_field':'0123456789'}", 10},
        /* not a picture at all */
        {"{'model':'m','input':[{'role':'user','content':[{'type':'input_image','image_url':"
         "'0123456789'}]}]}",
         10},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (size_of(cases[i].text).text_bytes < cases[i].least)
            fail_msg("too few bytes: %s", cases[i].text);
}

static void media_are_counted_apart(void **state)
{
    (void)state;
    struct neutral_size size = size_of(
        "{'model':'m','input':[{'role':'user','content':[{'type':'input_image','image_url':"
        "'data:image/"
        "png;base64,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'},{'type':'input_image','file_id'"
        ":'f'}]}]}");
    assert_int_equal(size.images, 2);
    assert_int_equal(size.files, 0);
    assert_true(size.text_bytes < 100);
    size = size_of("{'model':'m','input':[{'type':'function_call_output','output':[{'type':"
                   "'input_image','image_url':'https://x'},{'type':'input_file','file_url':'u'}]}"
                   "]}");
    assert_true(size.images == 1 && size.files == 1);
    size = size_of("{'model':'m','input':[{'role':'user','content':[{'type':'input_audio',"
                   "'input_audio':{'data':'AAAAAAAAAA','format':'wav'}}]}]}");
    assert_int_equal(size.media_bytes, 10);
    /* in places that nobody has told us of */
    size = size_of("{'model':'m','input':[{'type':'computer_call_output','output':{'type':"
                   "'computer_screenshot','image_url':'https://x'}},{'type':'new','a':[{'file_id':"
                   "'f'}]}]}");
    assert_true(size.images == 1 && size.files == 1);
    /* names of a tool's parameters are none */
    size = size_of("{'model':'m','input':'x','tools':[{'type':'function','name':'f','parameters':"
                   "{'properties':{'file_id':{},'image_url':{}}}}]}");
    assert_true(size.images == 0 && size.files == 0 && size.tools == 1);
}

static void tools_and_messages_are_counted(void **state)
{
    (void)state;
    struct neutral_size size =
        size_of("{'model':'m','input':[{'role':'user','content':'x'},{'type':'reasoning'},{'type':"
                "'message','role':'user'}],'instructions':'i','tools':[{'type':'custom'},{'type':"
                "'namespace','tools':[{'type':'function'},{'type':'function'}]}]}");
    assert_true(size.messages >= 4);
    assert_int_equal(size.tools, 4);
}

static void items_are_replaced(void **state)
{
    struct neutral_request r;

    (void)state;
    read_ok(&r, "{'model':'m','input':'hello'}");
    struct json_object *items = responses_input_items(&r);
    assert_string_equal(json_object_to_json_string_ext(items, 0),
                        "[{\"type\":\"message\",\"role\":\"user\",\"content\":\"hello\"}]");
    int64_t before = r.size.text_bytes;
    json_object_array_add(items,
                          json_tokener_parse("{\"role\":\"user\",\"content\":\"0123456789\"}"));
    responses_set_input(&r, items);
    assert_true(r.size.text_bytes >= before + 10);
    assert_int_equal(json_object_array_length(jsonx_array(r.body, "input")), 2);
    struct json_object *again = responses_input_items(&r);
    assert_ptr_equal(again, items);
    json_object_put(again);
    neutral_request_fini(&r);
}

/* What goes to OpenAI. */

static struct json_object *passed(const char *text, const char *dialect)
{
    struct neutral_target target = {
        .upstream_model = "up", .dialect = dialect, .model = "m", .output_limit = 500};
    struct json_object *out = NULL;
    struct neutral_request r;
    struct buf body;
    struct err err;

    read_ok(&r, text);
    buf_init(&body, 1024 * 1024);
    assert_int_equal(responses_format.write_request(&body, &r, &target, &err), 0);
    assert_int_equal(jsonx_parse(&out, body.data, body.len, &err), 0);
    buf_fini(&body);
    neutral_request_fini(&r);
    return out;
}

static void a_body_passes(void **state)
{
    (void)state;
    struct json_object *out =
        passed("{'model':'m','input':'x','store':true,'max_output_tokens':9000,'new':{'a':[1.50]},"
               "'previous_response_id':'resp_1','stream':true}",
               "openai-chat");
    assert_string_equal(json_object_to_json_string_ext(out, 0),
                        "{\"model\":\"up\",\"input\":\"x\",\"store\":false,"
                        "\"max_output_tokens\":500,\"new\":{\"a\":[1.50]},\"stream\":true}");
    json_object_put(out);
    out = passed("{'model':'m','input':'x','include':['message.output_text.logprobs']}",
                 "openai-reasoning");
    assert_string_equal(json_object_to_json_string_ext(jsonx_get(out, "include"), 0),
                        "[\"message.output_text.logprobs\",\"reasoning.encrypted_content\"]");
    json_object_put(out);
    out = passed("{'model':'m','input':'x','include':['reasoning.encrypted_content']}",
                 "openai-responses");
    assert_int_equal(json_object_array_length(jsonx_array(out, "include")), 1);
    json_object_put(out);
}

static void foreign_reasoning_stays_away(void **state)
{
    static const char own[] =
        "[{'type':'reasoning','id':'rs_1','encrypted_content':'gAAAAx'},{'type':'message','role':"
        "'assistant','id':'msg_1','content':'a'}]";
    static const char foreign[] =
        "[{'role':'user','content':'x'},{'type':'reasoning','id':'rs_1','encrypted_content':"
        "'aig1.e30='},{'type':'reasoning','id':'rs_2','summary':[]},{'type':'message','role':"
        "'assistant','id':'msg_1','content':'a'},{'type':'function_call','id':'fc_1','call_id':"
        "'c','name':'f','arguments':''},{'type':'function_call_output','id':'o','call_id':'c',"
        "'output':''}]";
    char text[1024];

    (void)state;
    snprintf(text, sizeof text, "{'model':'m','input':%s}", own);
    struct json_object *out = passed(text, "openai-responses");
    struct json_object *items = jsonx_array(out, "input");
    assert_int_equal(json_object_array_length(items), 2);
    assert_string_equal(jsonx_str(json_object_array_get_idx(items, 1), "id", ""), "msg_1");
    json_object_put(out);
    snprintf(text, sizeof text, "{'model':'m','input':%s}", foreign);
    out = passed(text, "openai-responses");
    items = jsonx_array(out, "input");
    assert_int_equal(json_object_array_length(items), 4);
    for (size_t i = 0; i < 3; i++)
        assert_false(jsonx_has(json_object_array_get_idx(items, i), "id"));
    assert_string_equal(jsonx_str(json_object_array_get_idx(items, 3), "id", ""), "o");
    json_object_put(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_read),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(what_is_dearer_than_the_hold_is_refused),
        cmocka_unit_test(what_costs_nothing_more_is_taken),
        cmocka_unit_test(all_text_counts),
        cmocka_unit_test(media_are_counted_apart),
        cmocka_unit_test(tools_and_messages_are_counted),
        cmocka_unit_test(items_are_replaced),
        cmocka_unit_test(a_body_passes),
        cmocka_unit_test(foreign_reasoning_stays_away),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
