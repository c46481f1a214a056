"""A real RTSP server for tests: GStreamer's, run by the system's own Python (`/usr/bin/python3`), which has `gi`.

python3 server.py --port 0 MOUNT…, where a MOUNT is JSON:
    {"path": "/one", "codec": "h264|h265|mjpeg", "width": 320, "height": 240, "fps": 15, "gop": 15,
     "user": …, "password": …, "sizes": [[320, 240], [160, 120]], "seconds": 2, "file": …, "audio": true,
     "bitrate": kbit/s}
`sizes`: the picture changes between them every `seconds`, within the stream. `file` (H.264 in MP4): its packets as they
are, in their time, to its end (`running.repeated` makes one long enough). Prints its port once it listens.
"""

import argparse
import json
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

ENCODERS = {
    "h264": "x264enc tune=zerolatency speed-preset=ultrafast threads=1 bitrate={bitrate} key-int-max={gop} "
    "! h264parse config-interval=-1 ! rtph264pay name=pay0 pt=96 config-interval=-1",
    "h265": "x265enc tune=zerolatency speed-preset=ultrafast bitrate={bitrate} key-int-max={gop} "
    "option-string=pools=none:frame-threads=1:log-level=none:repeat-headers=1 "
    "! h265parse config-interval=-1 ! rtph265pay name=pay0 pt=96 config-interval=-1",
    "mjpeg": "jpegenc ! rtpjpegpay name=pay0 pt=26",
}
SOUND = " audiotestsrc is-live=true ! mulawenc ! rtppcmupay name=pay1 pt=0"


def launch_line(mount):
    if mount.get("file"):
        return (
            f'( filesrc location="{mount["file"]}" ! qtdemux name=d d.video_0 ! queue ! h264parse config-interval=-1 '
            "! identity sync=true ! rtph264pay name=pay0 pt=96 config-interval=-1 )"
        )
    width, height, fps = mount.get("width", 320), mount.get("height", 240), mount.get("fps", 15)
    encoder = ENCODERS[mount.get("codec", "h264")].format(bitrate=mount.get("bitrate", 1000), gop=mount.get("gop", fps))
    source = f"videotestsrc is-live=true do-timestamp=true pattern={mount.get('pattern', 'smpte')}"
    caps = f"video/x-raw,format=I420,width={width},height={height},framerate={fps}/1"
    sound = SOUND if mount.get("audio") else ""
    return f"( {source} ! capsfilter name=size caps={caps} ! {encoder}{sound} )"


class Factory(GstRtspServer.RTSPMediaFactory):
    def __init__(self, mount):
        super().__init__()
        self.mount = mount
        self.set_launch(launch_line(mount))
        self.set_shared(True)
        self.connect("media-configure", self.configured)

    def configured(self, _factory, media):
        sizes = self.mount.get("sizes")
        if sizes:
            state = {"at": 0, "gone": False}
            media.connect("unprepared", lambda _: state.update(gone=True))
            size = media.get_element().get_by_name("size")
            GLib.timeout_add(int(self.mount.get("seconds", 2) * 1000), self.next_size, size, sizes, state)

    def next_size(self, size, sizes, state):
        if state["gone"]:
            return False
        state["at"] = (state["at"] + 1) % len(sizes)
        width, height = sizes[state["at"]]
        fps = self.mount.get("fps", 15)
        caps = f"video/x-raw,format=I420,width={width},height={height},framerate={fps}/1"
        size.set_property("caps", Gst.Caps.from_string(caps))
        return True


def restrict(factory, mount, auth):
    user, password = mount["user"], mount["password"]
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", user)
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    auth.add_digest(user, password, token)
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_permission_for_role(user, "media.factory.access", True)
    permissions.add_permission_for_role(user, "media.factory.construct", True)
    factory.set_permissions(permissions)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", default="0")
    parser.add_argument("--digest", action="store_true", help="instead of basic")
    parser.add_argument("mounts", nargs="+", type=json.loads)
    arguments = parser.parse_args()
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(arguments.port)
    auth = GstRtspServer.RTSPAuth()
    if arguments.digest:
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    for mount in arguments.mounts:
        factory = Factory(mount)
        if mount.get("user"):
            restrict(factory, mount, auth)
        server.get_mount_points().add_factory(mount["path"], factory)
    if any(mount.get("user") for mount in arguments.mounts):
        server.set_auth(auth)  # then every mount wants a user
    if not server.attach(None):
        sys.exit("the port is taken")
    loop = GLib.MainLoop()
    # Sessions whose clients are gone are given up.
    GLib.timeout_add_seconds(2, lambda: server.get_session_pool().cleanup() >= 0)
    # A test that is killed must not leave its server: it ends with its input.
    GLib.io_add_watch(GLib.IOChannel.unix_new(0), GLib.PRIORITY_DEFAULT, GLib.IOCondition.HUP, lambda *_: loop.quit())
    print(server.get_bound_port(), flush=True)
    loop.run()


if __name__ == "__main__":
    main()
