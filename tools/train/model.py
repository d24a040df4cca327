"""The llama architecture in plain PyTorch, as small as the shipped model needs it."""

import dataclasses

import torch
import torch.nn.functional as F
from torch import nn

import tokens


@dataclasses.dataclass
class Config:
    n_layer: int
    n_embd: int
    n_head: int
    n_head_kv: int
    n_ff: int
    head_dim: int = 64  # Lemnos has kernels for 64, 80, 128 and 160
    n_vocab: int = tokens.N_ROWS
    norm_eps: float = 1e-6

    def n_parameters(self):
        heads = self.n_head * 2 + self.n_head_kv * 2
        layer = self.n_embd * (heads * self.head_dim + 3 * self.n_ff + 2)
        return self.n_layer * layer + self.n_embd * (self.n_vocab + 1)


# Short context first; then four times as far with positions divided by four, on a larger base
# (paper, section 3.6).
ROPE_SHORT = {"base": 10000.0, "factor": 1.0}
ROPE_LONG = {"base": 100000.0, "factor": 4.0}


def rope_table(config, n_positions, base, factor):
    """cos and sin, f32 [n_positions][head_dim / 2], made in double."""
    half = torch.arange(0, config.head_dim, 2, dtype=torch.float64) / config.head_dim
    positions = torch.arange(n_positions, dtype=torch.float64) / factor
    angles = positions[:, None] * base**-half
    return angles.cos().float(), angles.sin().float()


def rotate(x, rope):
    """x [batch][head][position][head_dim]; pairs are (i, i + head_dim / 2), as Hugging Face has it.
    GGUF has neighbours as pairs: export.py reorders the rows of the weights."""
    cos, sin = rope
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1)


class Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.config = c
        self.attn_norm = nn.Parameter(torch.ones(c.n_embd))
        self.ffn_norm = nn.Parameter(torch.ones(c.n_embd))
        # q, k and v in one matrix, gate and up too: fewer, larger products.
        self.qkv = nn.Linear(c.n_embd, (c.n_head + 2 * c.n_head_kv) * c.head_dim, bias=False)
        self.out = nn.Linear(c.n_head * c.head_dim, c.n_embd, bias=False)
        self.gate_up = nn.Linear(c.n_embd, 2 * c.n_ff, bias=False)
        self.down = nn.Linear(c.n_ff, c.n_embd, bias=False)

    def forward(self, x, rope, cache=None):
        x = x + self.attention(self.norm(x, self.attn_norm), rope, cache)
        gate, up = self.gate_up(self.norm(x, self.ffn_norm)).chunk(2, dim=-1)
        return x + self.down(F.silu(gate) * up)

    def norm(self, x, weight):
        return F.rms_norm(x, weight.shape, weight, self.config.norm_eps)

    def attention(self, x, rope, cache):
        c = self.config
        batch, n, _ = x.shape
        heads = self.qkv(x).view(batch, n, -1, c.head_dim).transpose(1, 2)
        q, k, v = heads.split((c.n_head, c.n_head_kv, c.n_head_kv), dim=1)
        q, k = rotate(q, rope), rotate(k, rope)
        first = True
        if cache is not None:
            first = not cache
            if cache:
                k, v = torch.cat((cache[0], k), dim=2), torch.cat((cache[1], v), dim=2)
            cache[:] = k, v
        group = c.n_head // c.n_head_kv
        k, v = k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=first)
        return self.out(y.transpose(1, 2).reshape(batch, n, -1))


class Model(nn.Module):
    def __init__(self, config, seed=0):
        super().__init__()
        self.config = config
        self.embedding = nn.Parameter(torch.empty(config.n_vocab, config.n_embd))
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.n_layer))
        self.output_norm = nn.Parameter(torch.ones(config.n_embd))
        self.rope = None
        self._initialise(torch.Generator().manual_seed(seed))

    def _initialise(self, generator):
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                std = weight.shape[1] ** -0.5
                if name == "embedding":
                    std = 0.02  # it is the output matrix too
                if name.endswith(("out.weight", "down.weight")):
                    std *= (2 * self.config.n_layer) ** -0.5
                nn.init.normal_(weight, std=std, generator=generator)

    def set_rope(self, n_positions, base, factor):
        device = self.embedding.device
        table = rope_table(self.config, n_positions, base, factor)
        self.rope = tuple(part.to(device) for part in table)

    def hidden(self, ids, caches=None, start=0):
        """[batch][n] token ids to [batch][n][n_embd], normalised. With `caches`, an empty list for
        each layer at first, they are what comes behind `start` tokens; then n is 1 unless that is
        0."""
        x = F.embedding(ids, self.embedding)
        rope = tuple(part[start : start + ids.shape[1]] for part in self.rope)
        for i, layer in enumerate(self.layers):
            x = layer(x, rope, caches[i] if caches else None)
        return F.rms_norm(x, self.output_norm.shape, self.output_norm, self.config.norm_eps)

    def forward(self, ids):
        """Logits [batch][n][n_vocab]; the output matrix is the embedding."""
        return self.hidden(ids) @ self.embedding.T

    @torch.no_grad()
    def greedy(self, ids, limit, stops):
        """At most `limit` of the most probable tokens behind `ids`, until one of `stops`, which is
        not among them."""
        caches = [[] for _ in self.layers]
        new, part, start = [], ids, 0
        while len(new) < limit:
            x = self.hidden(torch.tensor([part]), caches, start)[0, -1]
            token = int((self.embedding @ x).argmax())
            if token in stops:
                break
            new.append(token)
            start += len(part)
            part = [token]
        return new

    def loss(self, ids, reduction="mean"):
        """Next-token loss in nats of rows [batch][n + 1]; nothing is asked of padding."""
        targets = ids[:, 1:].masked_fill(ids[:, 1:] == tokens.PAD, -100)
        logits = self.forward(ids[:, :-1])
        return F.cross_entropy(
            logits.flatten(0, 1), targets.flatten(), ignore_index=-100, reduction=reduction
        )
