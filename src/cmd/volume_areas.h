/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The areas of a volume, as a mount of it on this host knows them: they are in the volume's journal, and a command that mounts nothing asks who has read it.
 */
#ifndef ASSETFS_VOLUME_AREAS_H
#define ASSETFS_VOLUME_AREAS_H

#include "base/options.h"
#include "tree/area.h"

/* All of them, the default one included; areas_free() in any case. -ENOENT: no mount of it here answers. */
int volume_areas(const struct options *, struct areas *ret) ATTR_WARN_UNUSED;

#endif
