// Exposes libyaml to Swift, which imports all of it as it is.
#pragma once

#include <yaml.h>
