"""What published models are called in the window, and what they are good for; those to try first lead the list."""

from __future__ import annotations

from poseapp.convert.catalogue import CATALOGUE, Entry

# By the name in the catalogue: the title, and what it is good for. "Fine" and "exact" place joints between the cells of the
# network's maps (DARK, UDP), "sharp" sees each person in more pixels.
CATALOGUE_NAMES: dict[str, tuple[str, str]] = {
    "hrnet-w32-dark-256x192": ("HRNet medium, fine", "To begin with: accurate joints, on a fast computer or a graphics card"),
    "rtmpose-m-256x192": ("RTMPose medium", "Nearly as accurate as HRNet medium for a quarter of the work"),
    "rtmpose-s-256x192": ("RTMPose small", "Light and accurate, for computers without a graphics card"),
    "rtmpose-t-256x192": ("RTMPose tiny", "The lightest here, for old computers and for many people"),
    "rtmpose-m-feet-256x192": ("RTMPose medium with feet", "Toes and heels, too: for the ankle's angle and the gait"),
    "rtmpose-s-feet-256x192": ("RTMPose small with feet", "Toes and heels, too, for computers without a graphics card"),
    "rtmo-s-640x640": ("RTMO small", "Everybody in the picture at once: choose “All at once” for several people"),
    "rtmo-m-640x640": ("RTMO medium", "Everybody at once, more accurate, for fast computers"),
    "rtmo-l-640x640": ("RTMO large", "Everybody at once, the most accurate of these, for graphics cards"),
    "rtmpose-l-256x192": ("RTMPose large", "More accurate than medium, for fast computers"),
    "rtmpose-l-384x288": ("RTMPose large, sharp", "The most accurate RTMPose, for recordings"),
    "hrnet-w48-udp-384x288": ("HRNet large, sharp, exact", "The most accurate here, for recordings and strong graphics cards"),
    "hrnet-w48-dark-384x288": ("HRNet large, sharp, fine", "Nearly as accurate, for recordings and strong graphics cards"),
    "hrnet-w32-udp-256x192": ("HRNet medium, exact", "Accurate joints, trained without a shift of half a pixel"),
    "hrnet-w48-udp-256x192": ("HRNet large, exact", "More accurate than medium, for graphics cards"),
    "hrnet-w32-256x192": ("HRNet medium", "The network of the paper, for comparisons"),
    "hrnet-w32-384x288": ("HRNet medium, sharp", "For people who fill the picture, and small movements"),
    "hrnet-w48-256x192": ("HRNet large", "The large network of the paper, for comparisons"),
    "hrnet-w48-384x288": ("HRNet large, sharp", "The large network on more pixels, for comparisons"),
    "openpose-coco": ("OpenPose", "Many people at once: the time does not grow with their number"),
    "hourglass52-256x256": ("Hourglass 52", "A large hourglass, for comparisons with other studies"),
    "hourglass52-384x384": ("Hourglass 52, sharp", "A large hourglass on more pixels, for comparisons with other studies"),
    "cpm-256x192": ("CPM", "Convolutional pose machines, for comparisons with early studies"),
    "cpm-384x288": ("CPM, sharp", "Convolutional pose machines on more pixels, for comparisons with early studies"),
    "hrnet-w32-mpii": ("HRNet medium, 16 joints", "Joints of the MPII data: pelvis, thorax and top of the head, no face"),
    "hrnet-w48-mpii": ("HRNet large, 16 joints", "The same joints from the large network"),
    "hourglass-1-mpii": ("Hourglass 1, 16 joints", "The smallest download here, with pelvis, thorax and top of the head"),
    "hourglass-2-mpii": ("Hourglass 2, 16 joints", "Two hourglasses one after the other, with the same joints"),
    "hourglass-8-mpii": ("Hourglass 8, 16 joints", "Eight hourglasses one after the other, with the same joints"),
    "hourglass-2-princeton": ("Hourglass 2, Princeton", "The weights of Princeton's own port of the paper, 16 joints"),
    "hourglass-8-princeton": ("Hourglass 8, Princeton", "The weights of Princeton's own port of the paper, 16 joints"),
}


def catalogue_title(name: str) -> str:
    """What the published model called *name* is called in the window; its own name where it has no other."""
    return CATALOGUE_NAMES[name][0] if name in CATALOGUE_NAMES else name


def catalogue_purpose(name: str) -> str:
    """What the published model called *name* is good for, or ""."""
    return CATALOGUE_NAMES[name][1] if name in CATALOGUE_NAMES else ""


def entries_in_order() -> list[Entry]:
    """The catalogue as the window lists it."""
    first = [name for name in CATALOGUE_NAMES if name in CATALOGUE]
    return [CATALOGUE[name] for name in (*first, *(name for name in CATALOGUE if name not in CATALOGUE_NAMES))]


def accuracy(entry: Entry) -> str:
    """The figure that its authors state, without how it was measured: "AP 75.7"."""
    return entry.figure.partition(" (")[0] or "accuracy not published"


def size(entry: Entry) -> str:
    """How large the download is."""
    return "size told by the server" if entry.about_bytes is None else f"about {megabytes(entry.about_bytes)} MB"


def megabytes(count: int) -> str:
    """*count* bytes in MB, without the unit."""
    return f"{count / 1e6:.0f}"


def speed(entry: Entry, fps: float | None) -> str:
    """How fast *entry* is estimated to be on this machine."""
    if fps is None:
        return "speed known once a model runs" if entry.macs else "speed known once it runs"
    return f"about {fps:.0f} fps here" if fps >= 1.5 else f"about {fps:.1f} fps here" if fps >= 0.1 else "less than 0.1 fps here"
