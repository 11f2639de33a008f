"""NSD's terms and conditions, in one sentence (https://cvnlab.slite.page/p/IB6BSeW_7o)."""

NOT_ACCEPTED = (
    "NSD's terms have not been accepted: the data are for research and educational use only, "
    "neither they nor any component of them may be passed on to others, everyone in the team must "
    "comply, and publications cite Allen et al. 2022 (Nature Neuroscience) and acknowledge NSF "
    "IIS-1822683 and IIS-1822929; agree through NSD's own form first "
    "(https://cvnlab.slite.page/p/IB6BSeW_7o/Terms-and-Conditions), then set "
    "data.accept_nsd_terms: true"
)
