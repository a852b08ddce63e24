"""Write the model file: a GGUF with ternary matrices as TQ2_0.

`lutra.host.llm.checkpoint` reads it back, codes and scales unchanged, and says how it is laid out.
"""

from __future__ import annotations

import os
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Kind

from .checkpoint import EMBEDDING, LAYOUT, LAYOUT_KEY, Checkpoint

__all__ = ["save_checkpoint"]

_NORMAL_TOKEN, _CONTROL_TOKEN = 1, 3


def save_checkpoint(path: str | os.PathLike[str], checkpoint: Checkpoint) -> None:
    """Write ``checkpoint`` under a temporary name, then rename it to ``path``."""
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    config, tokenizer = checkpoint.config, checkpoint.tokenizer
    writer = gguf.GGUFWriter(temporary, "bitnet")
    writer.add_name("Python standard library, ternary")
    writer.add_string(LAYOUT_KEY, LAYOUT)
    writer.add_context_length(config.context)
    writer.add_embedding_length(config.width)
    writer.add_feed_forward_length(config.hidden)
    writer.add_block_count(config.layers)
    writer.add_head_count(config.heads)
    writer.add_head_count_kv(config.heads)
    writer.add_rope_dimension_count(config.head_width)
    writer.add_rope_freq_base(config.rope_base)
    writer.add_layer_norm_rms_eps(config.norm_epsilon)
    writer.add_vocab_size(config.vocabulary)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_TQ2_0)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokenizer.tokens)
    writer.add_token_types(
        [_CONTROL_TOKEN if i == tokenizer.bos else _NORMAL_TOKEN for i in range(len(tokenizer))]
    )
    writer.add_token_merges(tokenizer.merges)
    writer.add_bos_token_id(tokenizer.bos)
    writer.add_add_bos_token(True)
    writer.add_tensor(EMBEDDING, np.ascontiguousarray(checkpoint.embedding, np.float16))
    for name in config.ternary_shapes():
        matrix = checkpoint.matrices[name]
        values = matrix.codes.astype(np.float32) * np.float32(matrix.scale)
        writer.add_tensor(name, gguf.quants.quantize(values, Kind.TQ2_0), raw_dtype=Kind.TQ2_0)
    for name in config.norm_shapes():
        writer.add_tensor(name, np.ascontiguousarray(checkpoint.gains[name], np.float32))
    try:
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        temporary.replace(target)
    finally:
        writer.close()
        temporary.unlink(missing_ok=True)
