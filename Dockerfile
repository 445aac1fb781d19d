# The executable in an image of its own; the build is scripts/build.sh, as everywhere.
#   docker build -t virtustor . && docker run --rm -it virtustor trial run --dir /tmp/trial
FROM debian:13 AS build
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates nodejs npm && rm -rf /var/lib/apt/lists/*
WORKDIR /virtustor
COPY package.json package-lock.json tsconfig.json ./
COPY scripts ./scripts
COPY src ./src
RUN scripts/build.sh

FROM debian:13-slim
COPY --from=build /virtustor/dist/virtustor /usr/local/bin/virtustor
ENTRYPOINT ["virtustor"]
