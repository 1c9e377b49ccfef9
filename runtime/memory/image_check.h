// An image is a peer's: whoever receives one, a node or home, asks here before anything is done with it. What is right
// is within the bounds that the rest of the code relies on; whether it makes sense is the program's affair.
#pragma once
#include "remote/wire/image.pb.h"
#include "runtime/base/error.h"

namespace pmi {

// What is known of a program that still runs at the source: its place for the agent, its regions and files.
Status check_image_layout(const wire::Image& image);
// All of it.
Status check_image(const wire::Image& image);

}  // namespace pmi
