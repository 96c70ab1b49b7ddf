#include "brain/agent/internal.h"

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"

// Design notes.
// Sets are counted references because an agent that is behind still reads the set of its own
// place in the journal while the others have gone on to the next one. The payload is kept whole:
// the texts view it, and a cut of the host's state saves it.

#define PLAYSET_MAGIC 0x91a75e01u

typedef struct file {
    rt_str name;
    rt_str text;
} file;

struct br__playset {
    uint32_t magic;
    uint32_t refs;
    uint64_t seq;
    uint64_t version;
    file *files;
    uint32_t count;
    rt_bytes payload;
};

static rt_err
read_file(rt_mp *mp, file *ret_file)
{
    uint32_t parts = 0;
    rt_err err = rt_mp_array(mp, &parts);

    if (err == RT_OK && parts < 2) {
        return rt_fail(RT_EPROTO, "a playbook file has a name and a text");
    }
    if (err == RT_OK) {
        err = rt_mp_str(mp, &ret_file->name);
    }
    if (err == RT_OK) {
        err = rt_mp_str(mp, &ret_file->text);
    }
    for (uint32_t i = 2; err == RT_OK && i < parts; i++) {
        err = rt_mp_skip(mp);
    }
    return err;
}

static rt_err
read_set(br__playset *set)
{
    rt_mp mp = rt_mp_init(set->payload);
    uint32_t parts = 0;
    uint32_t count = 0;
    rt_err err = rt_mp_array(&mp, &parts);

    if (err == RT_OK && parts < 2) {
        return rt_fail(RT_EPROTO, "a playbook set has a version and files");
    }
    if (err == RT_OK) {
        err = rt_mp_u64(&mp, &set->version);
    }
    if (err == RT_OK) {
        err = rt_mp_array(&mp, &count);
    }
    if (err != RT_OK) {
        return err;
    }
    set->files = rt_new_array(file, count > 0 ? count : 1); // the cursor bounds count by the bytes
    for (set->count = 0; err == RT_OK && set->count < count; set->count++) {
        err = read_file(&mp, &set->files[set->count]);
    }
    return err;
}

rt_err
br__playset_new(uint64_t seq, rt_bytes payload, br__playset **ret_set)
{
    br__playset *set = rt_new(br__playset);
    uint8_t *copy = rt_alloc(payload.len);
    rt_err err = RT_OK;

    if (payload.len > 0) {
        memcpy(copy, payload.ptr, payload.len);
    }
    set->magic = PLAYSET_MAGIC;
    set->refs = 1;
    set->seq = seq;
    set->payload = (rt_bytes){copy, payload.len};
    err = read_set(set);
    if (err != RT_OK) {
        br__playset_unref(set);
        return err == RT_ETYPE ? RT_EPROTO : err;
    }
    *ret_set = set;
    return RT_OK;
}

br__playset *
br__playset_ref(br__playset *set)
{
    if (set != NULL) {
        RT_CHECK(set, PLAYSET_MAGIC);
        set->refs++;
    }
    return set;
}

void
br__playset_unref(br__playset *set)
{
    if (set == NULL) {
        return;
    }
    RT_CHECK(set, PLAYSET_MAGIC);
    if (--set->refs > 0) {
        return;
    }
    rt_free(set->files);
    rt_free((void *)(uintptr_t)set->payload.ptr);
    set->magic = 0;
    rt_free(set);
}

uint64_t
br__playset_seq(const br__playset *set)
{
    return set != NULL ? set->seq : 0;
}

rt_bytes
br__playset_payload(const br__playset *set)
{
    return set != NULL ? set->payload : (rt_bytes){NULL, 0};
}

uint64_t
br__playset_version(const br__playset *set)
{
    return set != NULL ? set->version : 0;
}

size_t
br__playset_count(const br__playset *set)
{
    return set != NULL ? set->count : 0;
}

rt_str
br__playset_text(const br__playset *set, size_t index, rt_str *ret_file)
{
    RT_ASSERT(set != NULL);
    RT_ASSERT(index < set->count);
    if (ret_file != NULL) {
        *ret_file = set->files[index].name;
    }
    return set->files[index].text;
}
