"""Write a checkpoint as GGUF: `python -m training.demo_model.export CHECKPOINT FILE.gguf`, with the extra
`training`."""

import sys
from pathlib import Path

import gguf
import numpy as np
import torch

from training.demo_model.network import Shape
from training.demo_model.tokens import BOS, CONTROLS, END, EOS, TEMPLATE


def export(checkpoint: Path, out: Path) -> None:
    """Write the model: matrices in Q8_0, norms in 32 bits."""
    state = torch.load(checkpoint)
    tokens: tuple[str, ...] = state["tokens"]
    shape = Shape(vocabulary=len(tokens))
    writer = gguf.GGUFWriter(out, "llama")
    _write_metadata(writer, shape, tokens, state["merges"])
    tensors = {
        name: tensor
        for name, tensor in state["weights"].items()
        if name.startswith("blk.") or name == "output_norm"
    }
    tensors |= {"token_embd": state["rows"], "output": state["weights"]["output"]}
    for name, tensor in tensors.items():
        values = tensor.numpy().astype(np.float32)
        if values.ndim == 1:
            writer.add_tensor(f"{name}.weight", values)
        else:
            packed = gguf.quantize(values, gguf.GGMLQuantizationType.Q8_0)
            writer.add_tensor(f"{name}.weight", packed, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _write_metadata(
    writer: gguf.GGUFWriter, shape: Shape, tokens: tuple[str, ...], merges: tuple[tuple[str, str], ...]
) -> None:
    writer.add_name("gateway demo")
    writer.add_description("A demo model, trained on generated text; see training/demo_model/CARD.md.")
    writer.add_license("Apache-2.0")
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.embedding)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads)
    writer.add_rope_dimension_count(shape.head)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_layer_norm_rms_eps(shape.epsilon)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_vocab_size(shape.vocabulary)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(list(tokens))
    writer.add_token_types(
        [gguf.TokenType.CONTROL if t in CONTROLS else gguf.TokenType.NORMAL for t in tokens]
    )
    writer.add_token_merges([f"{left} {right}" for left, right in merges])
    writer.add_bos_token_id(tokens.index(BOS))
    writer.add_eos_token_id(tokens.index(EOS))
    writer.add_eot_token_id(tokens.index(END))
    writer.add_add_bos_token(True)
    writer.add_chat_template(TEMPLATE)


if __name__ == "__main__":
    export(Path(sys.argv[1]), Path(sys.argv[2]))
