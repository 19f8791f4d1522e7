"""Writes a telemetry model from scikit-learn's objects, after docs/telemetry.md and nothing else."""

import struct
import zlib

import numpy as np


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out + bytes([number]))


def zigzag(number):
    return varint(number * 2 if number >= 0 else -number * 2 - 1)


def average_path(rows):
    if rows <= 1:
        return 0.0
    return 1.0 if rows == 2 else 2.0 * (np.log(rows - 1.0) + np.euler_gamma) - 2.0 * (rows - 1.0) / rows


def rounded_down(threshold):
    """The largest f32 that is not above it: no f32 lies between the two."""
    single = np.float32(threshold)
    return np.nextafter(single, np.float32(-np.inf)) if float(single) > threshold else single


def packed_node(feature, threshold, left, right):
    bits = struct.unpack("<i", struct.pack("<f", rounded_down(threshold) + np.float32(0.0)))[0]
    ordered = bits ^ ((bits >> 31) & 0x7FFFFFFF)
    return struct.pack("<Ii", left | right << 14 | feature << 28, ordered)


class Forest:
    """Nodes of all trees, and the table of path lengths they share."""

    def __init__(self):
        self.starts, self.nodes, self.lengths = [], [], {}

    def leaf(self, splits, rows):
        length = splits + average_path(rows)
        return self.lengths.setdefault(length, len(self.lengths)) | 1 << 13

    def add(self, tree):
        self.starts.append(len(self.nodes))
        if tree.node_count == 1:
            leaf = self.leaf(0, int(tree.n_node_samples[0]))
            self.nodes.append(packed_node(0, 0.0, leaf, leaf))
            return
        numbers, depths, order = {0: 0}, {0: 0}, [0]
        for node in order:
            for child in (tree.children_left[node], tree.children_right[node]):
                depths[child] = depths[node] + 1
                if tree.children_left[child] >= 0:
                    numbers[child] = len(order)
                    order.append(child)
        for node in order:
            branches = [
                numbers[child] if child in numbers else self.leaf(depths[child], int(tree.n_node_samples[child]))
                for child in (tree.children_left[node], tree.children_right[node])
            ]
            self.nodes.append(packed_node(int(tree.feature[node]), float(tree.threshold[node]), *branches))

    def content(self):
        starts = b"".join(struct.pack("<I", start) for start in self.starts)
        return starts + b"".join(self.nodes) + b"".join(struct.pack("<d", length) for length in self.lengths)


def model_file(scaler, protocols, forest, rows):
    """The bytes of telemetry.cwt."""
    packed = Forest()
    for estimator in forest.estimators_:
        packed.add(estimator.tree_)
    header = zigzag(1_793_491_200) + varint(rows)
    for mean, scale in zip(scaler.mean_, scaler.scale_):
        header += struct.pack("<dd", mean, scale)
    header += struct.pack("<d", forest.offset_) + bytes([4]) + varint(int(forest.max_samples_))
    header += varint(len(packed.starts)) + varint(len(packed.nodes)) + varint(len(packed.lengths))
    header += varint(len(protocols))
    for protocol in protocols:
        header += varint(len(protocol.encode())) + protocol.encode()
    content = header + packed.content()
    return b"CWTM\x01" + struct.pack("<I", zlib.crc32(content)) + content
