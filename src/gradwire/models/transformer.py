"""transformer: a decoder that predicts the next byte of a text (Vaswani et al., NeurIPS 2017; norms before each part, as in GPT-2)."""

import math
from dataclasses import dataclass

from ..errors import ConfigError
from .neural import NeuralModel, check_count

BYTES = 256
_INIT = 0.02


@dataclass(frozen=True)
class Transformer(NeuralModel):
    """width of a position's vector, layers, heads of each layer's attention. The context is that of the data's rows, of at most
    `positions` bytes. The output layer is the embedding's transpose. A score is a row's bits per byte."""

    width: int = 192
    layers: int = 4
    heads: int = 6
    positions: int = 128

    name = "transformer"
    summary = "decoder of bytes, 1.9 million parameters by default"
    paper = "Vaswani et al., NeurIPS 2017"
    task = "text"
    metric_name = "bits_per_byte"
    n_features = BYTES
    evaluation_rows = 64

    def __post_init__(self):
        super().__post_init__()
        for name, most in (("width", 1 << 14), ("layers", 256), ("heads", 256), ("positions", 1 << 16)):
            check_count(name, getattr(self, name), 1, most)
        if self.width % self.heads:
            raise ConfigError(f"expected a width that {self.heads} heads share evenly, got {self.width}")

    def network(self, torch):
        return _decoder(torch, self)

    def check(self, data):
        if (length := data.width + data.overlap - 1) > self.positions:
            raise ConfigError(f"expected rows of at most positions = {self.positions} bytes, got data of {length}")

    def batch(self, torch, data, rows):
        text = torch.from_numpy(data.take(rows)).to(torch.int64)
        return text[:, :-1], text[:, 1:]

    def scores(self, torch, logits, targets, losses):
        return losses.mean(1) / math.log(2)


def _decoder(torch, config):
    nn, width = torch.nn, config.width

    class Layer(nn.Module):
        def __init__(self):
            super().__init__()
            self.before_attention, self.before_mixing = nn.LayerNorm(width), nn.LayerNorm(width)
            self.attention, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.mixing = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

        def forward(self, x):
            rows, length, _ = x.shape
            parts = self.attention(self.before_attention(x)).view(rows, length, 3, config.heads, -1)
            query, key, value = parts.permute(2, 0, 3, 1, 4)
            mixed = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
            x = x + self.out(mixed.transpose(1, 2).reshape(rows, length, width))
            return x + self.mixing(self.before_mixing(x))

    class Decoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding, self.position = nn.Embedding(BYTES, width), nn.Embedding(config.positions, width)
            self.layers = nn.Sequential(*(Layer() for _ in range(config.layers)))
            self.norm = nn.LayerNorm(width)
            for name, parameter in self.named_parameters():
                if parameter.dim() == 2:
                    into_stream = name.endswith(("out.weight", "mixing.2.weight"))
                    nn.init.normal_(parameter, std=_INIT / math.sqrt(2 * config.layers) if into_stream else _INIT)

        def forward(self, text):
            x = self.embedding(text) + self.position.weight[: text.shape[1]]
            return self.norm(self.layers(x)) @ self.embedding.weight.T

    return Decoder()
