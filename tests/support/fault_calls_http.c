/* The wrappers of curl's calls; see fault_calls.c. Without curl's headers: handles are pointers. */
#include "support/fault_calls.h"

#define OUT_OF_MEMORY       27 /* CURLE_OUT_OF_MEMORY */
#define FAILED_INIT         2
#define MULTI_OUT_OF_MEMORY 3 /* CURLM_OUT_OF_MEMORY */
#define MULTI_INTERNAL      4

/* A client is not to be had: that is all that can be said. */
CALL(curl_global_init, "curl_global_init", TOLD_AS(FAILED_INIT, ENOMEM));
WRAP_DIRECT(int, curl_global_init, (long flags), (flags))

CALL(curl_easy_init, "curl_easy_init", REPORTED(ENOMEM));
WRAP_NULL(void *, curl_easy_init, (void), ())

CALL(curl_multi_init, "curl_multi_init", REPORTED(ENOMEM));
WRAP_NULL(void *, curl_multi_init, (void), ())

CALL(curl_multi_add_handle, "curl_multi_add_handle", TOLD_AS(MULTI_OUT_OF_MEMORY, ENOMEM),
     TOLD_AS(MULTI_INTERNAL, ENOMEM));
WRAP_DIRECT(int, curl_multi_add_handle, (void *multi, void *easy), (multi, easy))

CALL(curl_slist_append, "curl_slist_append", REPORTED(ENOMEM));
WRAP_NULL(void *, curl_slist_append, (void *list, const char *text), (list, text))

CALL(curl_easy_setopt, "curl_easy_setopt", TOLD_AS(OUT_OF_MEMORY, ENOMEM));
int __real_curl_easy_setopt(void *easy, int option, ...);
WRAP_WORDS(int, curl_easy_setopt, (void *easy, int option, long value))
{
    int err = faults_hit(&call_curl_easy_setopt);

    return err ? err : __real_curl_easy_setopt(easy, option, value);
}

/* When a client is freed it is only told to be quiet. */
CALL(curl_multi_setopt, "curl_multi_setopt", { MULTI_OUT_OF_MEMORY, FAULT_EITHER, ENOMEM });
int __real_curl_multi_setopt(void *multi, int option, ...);
WRAP_WORDS(int, curl_multi_setopt, (void *multi, int option, long value))
{
    int err = faults_hit(&call_curl_multi_setopt);

    return err ? err : __real_curl_multi_setopt(multi, option, value);
}

static struct fault_call *const all[] = {
    &call_curl_global_init,  &call_curl_easy_init,   &call_curl_multi_init,
    &call_curl_multi_add_handle, &call_curl_slist_append, &call_curl_easy_setopt,
    &call_curl_multi_setopt, NULL,
};

__attribute__((constructor)) static void list(void)
{
    static struct fault_calls mine = { .calls = all };

    faults_list(&mine);
}
