// Who may do what at the control door.
#include <stdio.h>

#include "brain/core/control.h"

// Design notes.
// Root and the user that the daemon runs as may do everything. Others have to be named by a role of
// brain.yaml: `viewer` looks, `operator` does everything too, and any other role looks and answers
// the requests of playbooks that ask for that role. Whoever has none is refused before the request
// is read. The kernel says which user is on the other side, so nothing that is sent counts.

#define OPERATOR "operator"
#define VIEWER "viewer"

static bool
has_role(const br_role *role, uint32_t uid)
{
    for (size_t i = 0; i < role->uid_count; i++) {
        if (role->uids[i] == uid) {
            return true;
        }
    }
    return false;
}

br_access
br__access_of(const br_role *roles, size_t count, uint32_t uid)
{
    br_access found = BR_ACCESS_NONE;
    for (size_t i = 0; i < count; i++) {
        br_access access = strcmp(roles[i].name, OPERATOR) == 0 ? BR_ACCESS_OPERATE
                           : strcmp(roles[i].name, VIEWER) == 0 ? BR_ACCESS_VIEW
                                                                : BR_ACCESS_ANSWER;
        if (access > found && has_role(&roles[i], uid)) {
            found = access;
        }
    }
    return found;
}

const char *
br__access_role(const br_ask *ask)
{
    return ask->is_owner ? NULL : OPERATOR;
}

bool
br__access_opens(const br_ask *ask)
{
    char hint[160];
    if (ask->access != BR_ACCESS_NONE) {
        return true;
    }
    snprintf(hint, sizeof(hint),
             "brain.yaml names who may, for example roles: [{name: " VIEWER ", users: [%u]}]; or "
             "use sudo",
             ask->uid);
    br__refuse(ask->control, ask->call, RT_EDENIED, hint,
               "uid %u has no role of brain.yaml and may not use the control door", ask->uid);
    return false;
}

bool
br__access_allows(const br_ask *ask, const char *command, br_access needs)
{
    char hint[160];
    if (ask->access >= needs) {
        return true;
    }
    snprintf(hint, sizeof(hint),
             "in brain.yaml: roles: [{name: " OPERATOR ", users: [%u]}]; or use sudo", ask->uid);
    br__refuse(ask->control, ask->call, RT_EDENIED, hint,
               "uid %u may look, but %s needs the role " OPERATOR "%s", ask->uid, command,
               needs == BR_ACCESS_ANSWER ? " or one that the playbook asks for" : "");
    return false;
}
